"""Records the frames and pictures of docs/tui.md anew, from a program that leaks while it runs.

    python scripts/record_tui.py [--check]

`heapgraph tui PID` runs on a real pseudo-terminal of 80x24 against fixtures/leaks/module_cache.py,
and gets the keys of SCENES. Each frame must be, character by character, what the same keys give in
the same snapshot without a terminal; the pictures are drawn from there, since only there colours
are known as such. This machine is called `example` in them, and the folder of the program has a
name of a server's. With --check nothing is written.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui.app import HeapgraphApp
from heapgraph.tui.screens.opening import Opened, PendingSnapshot

# Terminal and keys are driven by the code that the tests use.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.browser import SMALL, TYPED, browsing, press, text_of_screen
from helpers.terminal import Terminal, overview_is_complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tui.md"
PICTURES = ROOT / "docs" / "pictures"
LEAKS = "fixtures/leaks"
PROGRAM = f"{LEAKS}/module_cache.py"
HOST = "example"
FOLDER = "/srv/app-releases/current/" + "app/" * 50
"""Stands for the folder of the program, cut to the same length: lines must break as they did."""

NEWER = "newer.heapgraph"
QUERY = "select type, count(*) as count from objects group by type order by count desc"


@dataclass(frozen=True)
class Scene:
    """A moment of the recording.

    Attributes:
        name: of its frame in docs/tui.md, and of its picture.
        keys: pressed since the scene before, by Textual's names; `type TEXT` is typed.
        is_drawn: whether there is a picture of it.
    """

    name: str
    keys: tuple[str, ...]
    is_drawn: bool = True


SCENES = (
    Scene("overview", ()),
    Scene("inspector", ("enter",)),
    Scene("path", ("enter", "p", "j", "j", "w")),
    Scene("tree", ("2", "l", "j", "l", "j")),
    Scene("types", ("3", "f", "type page", "enter"), is_drawn=False),
    Scene("help", ("question_mark",), is_drawn=False),
    Scene("holders", ("escape", "P"), is_drawn=False),
    Scene("threads", ("6",), is_drawn=False),
    Scene("waste", ("7", "l"), is_drawn=False),
    Scene("diff", ("8", f"type {NEWER}", "enter"), is_drawn=False),
    Scene("sql", ("colon", f"type {QUERY}", "enter"), is_drawn=False),
)

_TERMINAL_KEYS = {"slash": "/", "colon": ":", "question_mark": "?", "escape": "esc"}
_FRAME = r"(?<=<!-- recorded: {} -->\n```text\n)(?:(?!```).*\n)*"


@contextmanager
def leaking_program() -> Iterator[subprocess.Popen[str]]:
    """The program, in a folder of its own; ready, and ended."""
    programs = Path(sys.executable).parent
    with tempfile.TemporaryDirectory(prefix="app-") as folder:
        shutil.copytree(ROOT / LEAKS, Path(folder) / LEAKS)
        with subprocess.Popen(
            ["python", PROGRAM],  # noqa: S607 - its own folder is the first on the path below
            cwd=folder,
            env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            _expect(process, f"ready {process.pid}")
            yield process
            process.kill()


@dataclass(frozen=True)
class Shot:
    """What a scene looks like.

    Attributes:
        texts: of the screen after each of its keys; of the first scene, before any.
        picture: SVG of the last of them.
    """

    texts: list[str]
    picture: str


def _expect(process: subprocess.Popen[str], line: str) -> None:
    if process.stdout is None or process.stdout.readline() != f"{line}\n":
        raise RuntimeError(f"{PROGRAM} did not say {line!r}")


def grow(process: subprocess.Popen[str]) -> None:
    """Have the program leak a quarter more."""
    if process.stdin is not None:
        process.stdin.write("grow\n")
        process.stdin.flush()
    _expect(process, "grew")


def without_terminal(folder: Path, snapshot: str) -> list[Shot]:
    """The scenes as they must look."""
    graph = HeapGraph.open(folder / snapshot)
    graph.manifest["target"]["hostname"] = HOST
    opened = Opened(snapshot, graph, (f"wrote {snapshot}",))

    async def run() -> list[Shot]:
        app, shots = HeapgraphApp(PendingSnapshot(snapshot, lambda _: opened)), []
        async with app.run_test(size=SMALL) as pilot:
            await browsing(app, pilot)
            for scene in SCENES:
                texts = [] if scene.keys else [text_of_screen(app)]
                for key in scene.keys:
                    await press(app, pilot, [key])
                    texts.append(text_of_screen(app))
                picture = app.export_screenshot(title=f"heapgraph tui {snapshot}")
                shots.append(Shot(texts, picture))
        return shots

    here = Path.cwd()
    os.chdir(folder)  # where the terminal's program runs, and what a file's name is relative to
    try:
        return asyncio.run(run())
    finally:
        os.chdir(here)


def record(folder: Path) -> list[Shot]:
    """The scenes, each text shown by the terminal as well."""
    with leaking_program() as program, Terminal("tui", program.pid, folder=folder) as terminal:
        terminal.wait_for(overview_is_complete)
        snapshot = next(folder.glob("*.heapgraph")).name
        grow(program)
        dump(program.pid, folder / NEWER)
        shots = without_terminal(folder, snapshot)
        terminal.wait_for(_shows(shots[0].texts[0]))
        for scene, shot in zip(SCENES, shots, strict=True):
            for key, text in zip(scene.keys, shot.texts[-len(scene.keys) :], strict=False):
                typed = key.removeprefix(TYPED)
                terminal.press(_TERMINAL_KEYS.get(key, typed), shows=_shows(text))
            print(f"{scene.name}: {' '.join(scene.keys) or 'the first frame'}")
        terminal.quit()
        if program.poll() is not None:
            raise RuntimeError("the program has not survived being looked at")
        return [
            _placeless(shot, str(Path(f"/proc/{program.pid}/cwd").readlink())) for shot in shots
        ]


def _placeless(shot: Shot, folder: str) -> Shot:
    """A scene that tells nothing of the folders of this machine."""
    parts = [part.replace(folder, FOLDER[: len(folder)]) for part in (*shot.texts, shot.picture)]
    if any(place in part for place in (str(ROOT), tempfile.gettempdir()) for part in parts):
        raise RuntimeError("a frame names a folder of this machine, perhaps one cut in the middle")
    return Shot(parts[:-1], parts[-1])


def _shows(text: str) -> Callable[[str], bool]:
    return lambda frame: nameless(frame) == text


def nameless(frame: str) -> str:
    """A frame without the name of this machine."""
    return re.sub(rf"\b{re.escape(platform.node())}\b", HOST, frame)


def without_fonts(picture: str) -> str:
    """A picture that asks no server for a font: any monospaced one will do."""
    picture = re.sub(r"\s*@font-face \{[^}]*\}|\s*<!--.*?-->", "", picture)
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)


def main() -> None:
    """Record, and write what was recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="record, but write nothing")
    is_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        shots = record(Path(folder))
    if is_check:
        return
    page = PAGE.read_text()
    for scene, shot in zip(SCENES, shots, strict=True):
        before, after = re.split(_FRAME.format(scene.name), page)
        page = f"{before}{shot.texts[-1]}\n{after}"
        if scene.is_drawn:
            (PICTURES / f"tui-{scene.name}.svg").write_text(without_fonts(shot.picture) + "\n")
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
