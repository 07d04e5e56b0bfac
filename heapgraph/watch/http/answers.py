"""Answers about snapshots: each made by a program of its own with limits, and kept as a file.

A snapshot is some hundred MiB, and reading it needs libraries that are larger than the daemon. So
the command line answers, in a process that ends. What it says goes from a pipe to a file and from
there to the peer, in pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, BinaryIO

from heapgraph.private_folder import FolderRefused, open_private
from heapgraph.watch.http.problems import Problem

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from heapgraph.watch.http.limits import Limits

OUTPUT = "{output}"
"""Stands in the words of a program for a file that it writes; else its output is the answer."""

_PART = ".part"
_PIPE_BYTES = 1 << 16
_ERROR_BYTES = 4096
_RETRY_S = 5
_USAGE, _DAMAGED = 2, 4


@dataclass(frozen=True, slots=True)
class Question:
    """What a program is asked.

    Attributes:
        key: the same for the same answer: hash of the snapshot, the question, its parameters.
        words: behind `python -I`, e.g. `-m heapgraph summary /proc/self/fd/7 --json`.
        descriptors: that the program inherits.
    """

    key: str
    words: tuple[str, ...]
    descriptors: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Of the file with the answer."""
        return hashlib.sha256(self.key.encode()).hexdigest()

    @property
    def tag(self) -> str:
        """The answer's ETag."""
        return f'"{self.name}"'


class Answers:
    """Answers in a folder, the longest unused go first.

    Args:
        folder: of the daemon's own; made if it is missing, and emptied: a program that was killed
            may have left a part.
        limits: of programs and of the folder.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Empty the folder.

        Raises:
            FolderRefused: others could have a hand in it.
            OSError: it cannot be made.
        """
        os.close(open_private(folder, create=True))
        self._folder, self._limits = folder, limits
        self._free = asyncio.Semaphore(limits.children)
        self._running: dict[str, asyncio.Task[None]] = {}
        for entry in folder.iterdir():
            if entry.is_file() or entry.is_symlink():
                entry.unlink()

    async def ask(self, question: Question) -> BinaryIO:
        """The answer as an open file.

        Raises:
            Problem: 400: the question makes no sense for this snapshot; 503: too many ask; 504: it
                takes too long; 500: it cannot be answered within the limits, or the snapshot is
                damaged.
        """
        file = self._folder / question.name
        kept = _opened(file)
        if kept is None:
            await self._answer(question, file)
            kept = _opened(file)
        if kept is None:
            raise Problem(503, "busy", "the answer was dropped again", headers={"Retry-After": "1"})
        return kept

    async def close(self) -> None:
        """End all programs."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _answer(self, question: Question, file: Path) -> None:
        """Have it answered once, however many ask at the same time."""
        task = self._running.get(question.name)
        if task is None:
            most = self._limits.children + self._limits.waiting
            if len(self._running) >= most:
                raise Problem(
                    503,
                    "busy",
                    "too many questions at once",
                    f"{most} are being answered or wait",
                    headers={"Retry-After": str(_RETRY_S)},
                )
            task = asyncio.create_task(self._run(question, file))
            self._running[question.name] = task
            task.add_done_callback(lambda done: self._forget(question.name, done))
        await asyncio.shield(task)

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; then nobody else looks at it

    async def _run(self, question: Question, file: Path) -> None:
        part = file.with_suffix(_PART)
        descriptors = [os.dup(one) for one in question.descriptors]  # who asked may go
        try:
            words = [_renumbered(one, question.descriptors, descriptors) for one in question.words]
            words = [str(part) if one == OUTPUT else one for one in words]
            async with self._free:
                await self._run_program(words, descriptors, part)
            self._keep(part, file)
        finally:
            for one in descriptors:
                os.close(one)
            _remove(part)

    async def _run_program(
        self, words: Sequence[str], descriptors: Sequence[int], part: Path
    ) -> None:
        """Run the program; its answer is in `part`."""
        limits = self._limits
        own = ["-I", "-m", "heapgraph.watch.http.limited"]
        numbers = [str(limits.child_bytes), str(limits.child_s), str(os.getpid())]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *own,
            *numbers,
            *words,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=descriptors,
            start_new_session=True,
            env=_environment(),
            limit=_PIPE_BYTES,
        )
        try:
            async with asyncio.timeout(limits.child_s):
                size, errors = await asyncio.gather(
                    self._keep_output(process, part), _last_words(process)
                )
                code = await process.wait()
        except TimeoutError as failure:
            raise Problem(
                504, "too-slow", "the question takes too long", f"more than {limits.child_s} s"
            ) from failure
        finally:
            await _end(process)
        if code != 0:
            raise _problem(code, errors)
        if size == 0 and not 0 < _size(part) <= limits.answer_bytes:
            raise self._too_large()

    async def _keep_output(self, process: Process, part: Path) -> int:
        """Write the program's output to a file, and end the program when it is too much."""
        output, size = process.stdout, 0
        if output is None:
            return 0
        with contextlib.ExitStack() as opened:
            file: BinaryIO | None = None  # made with the first bytes: it may write one itself
            while chunk := await output.read(_PIPE_BYTES):
                file = file or opened.enter_context(_new_file(part))
                size += len(chunk)
                if size > self._limits.answer_bytes:
                    _kill(process)
                    raise self._too_large()
                file.write(chunk)
        return size

    def _too_large(self) -> Problem:
        return Problem(
            500,
            "too-large",
            "the answer is too large",
            f"it has more than {self._limits.answer_bytes} bytes, or none",
            "ask for fewer rows: ?limit=100",
        )

    def _keep(self, part: Path, file: Path) -> None:
        part.replace(file)
        self._tidy(file)

    def _tidy(self, newest: Path) -> None:
        """Remove the answers that were asked for longest ago, until the rest fits."""
        entries = []
        with os.scandir(self._folder) as found:
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    entries.append((about.st_mtime, about.st_size, Path(entry.path)))
        left = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if left <= self._limits.cache_bytes:
                break
            if path not in (newest, newest.with_suffix(_PART)) and path.suffix != _PART:
                path.unlink(missing_ok=True)
                left -= size


def _new_file(part: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(part, flags, 0o600), "wb")


def _opened(file: Path) -> BinaryIO | None:
    """An answer that is kept, now the one that was used last; None: it is not there."""
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        return None
    os.utime(opened.fileno())
    return opened


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)


def _size(part: Path) -> int:
    """Of a file; 0 where the program has written none."""
    return part.stat().st_size if part.exists() else 0


def _environment() -> dict[str, str]:
    """Variables for a program: what finds its libraries and its cache, and no more."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "HEAPGRAPH_CACHE")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {**found, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}


def _renumbered(word: str, old: Sequence[int], new: Sequence[int]) -> str:
    """A word with the number that a descriptor has in the program."""
    for before, after in zip(old, new, strict=True):
        if word == descriptor_path(before):
            return descriptor_path(after)
    return word


def descriptor_path(descriptor: int) -> str:
    """An open file as a path, for a program that inherits it."""
    return f"/proc/self/fd/{descriptor}"


async def _last_words(process: Process) -> bytes:
    """All that the program complains about; of much the end."""
    text = b""
    while process.stderr is not None and (chunk := await process.stderr.read(_ERROR_BYTES)):
        text = (text + chunk)[-_ERROR_BYTES:]
    return text


async def _end(process: Process) -> None:
    if process.returncode is None:
        _kill(process)
        await asyncio.shield(process.wait())


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _problem(code: int, errors: bytes) -> Problem:
    """What the command line complained about: it says what, why, and what next."""
    lines = [line.partition(":") for line in errors.decode(errors="replace").splitlines()]
    parts = {name: text.strip() for name, colon, text in lines if colon}
    said = [parts.get(name, "") for name in ("error", "cause", "next")]
    if code == _USAGE:
        title, why, hint = said[0] or "the question makes no sense", said[1], said[2]
        return Problem(400, "bad-question", title, why, hint)
    if code == _DAMAGED:
        return Problem(500, "damaged", "the snapshot cannot be read", "its file is damaged")
    if code < 0:
        return Problem(
            500,
            "limits",
            "the question needs more than a program may have here",
            f"it was ended by signal {-code}",
            "download the snapshot, and ask heapgraph on another machine",
        )
    return Problem(500, "failed", said[0] or "the question cannot be answered", said[1])


__all__ = ["OUTPUT", "Answers", "FolderRefused", "Question", "descriptor_path"]
