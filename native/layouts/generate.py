#!/usr/bin/env python3
"""Writes the layout tables of `heapgraph/capture/cpython/layouts/` from CPython's own headers.

    python native/layouts/generate.py [INCLUDE...]

INCLUDE is the folder with Python.h of one version, e.g. a pyenv version's include/python3.13.
Without one, those of pyenv's versions and of the interpreters that `make interpreters` fetched.
Given several folders of one minor version, the oldest makes the table, and what the others have
differently becomes a revision in it. Fields are those of fields.txt, kinds those of kinds.txt.
Needs a C compiler for the machine it runs on, which has to have 64-bit pointers and little-endian
numbers.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = Path(__file__).resolve().parent
TABLES = SOURCES.parents[1] / "heapgraph" / "capture" / "cpython" / "layouts"
COMPILE_LIMIT_S = 120
OLDEST_MINOR = 8

_MEMBER = re.compile(r"(?P<type>(?:struct )?\w+)\.(?P<member>[A-Za-z_][\w.]*)")
_AS = re.compile(r"(?P<source>.*\S)\s+as (?P<width>[iu][1248])")
_LINE = re.compile(r"(?P<name>\S+)\s+(?P<versions>\*|3\.\d+(?:-(?:3\.\d+)?)?)\s+(?P<value>\S.*)")


class GeneratorError(Exception):
    """A table cannot be made: what is wrong with the headers, fields.txt or kinds.txt."""


@dataclass(frozen=True)
class Line:
    """One line of fields.txt or kinds.txt.

    Attributes:
        name: of the layout field, or of the kind.
        first, last: minor versions that have it.
        value: of a field in C, of a kind in words.
    """

    name: str
    first: int
    last: int
    value: str


@dataclass(frozen=True)
class Headers:
    """The values that one CPython's headers give.

    Attributes:
        release: its full version, e.g. "3.13.0".
        values: of every field that its version has.
        widths: "i4", "u1"... of those that are not 8 bytes wide.
    """

    release: str
    values: dict[str, int]
    widths: dict[str, str]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The release as numbers, for sorting."""
        return tuple(map(int, re.findall(r"\d+", self.release)))


def read_lines(text: str) -> list[Line]:
    """Read the lines of fields.txt or kinds.txt."""
    lines = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            raise GeneratorError(f"not a name, versions and a value: {line}")
        lines.append(Line(match["name"], *_minors(match["versions"]), match["value"]))
    return lines


def in_c(value: str) -> str:
    """The C expression of a field: STRUCT.MEMBER stands for its offset."""
    if said := _AS.fullmatch(value):
        value = said["source"]
    member = _MEMBER.fullmatch(value)
    return f"offsetof({member['type']}, {member['member']})" if member else value


def width_in_c(value: str) -> str:
    """The C expression of a member's width as text, "-" where it is a word or no member."""
    if said := _AS.fullmatch(value):
        return f'"{said["width"]}"'
    member = _MEMBER.fullmatch(value)
    return f"WIDTH((({member['type']} *)0)->{member['member']})" if member else '"-"'


def kinds_of(minor: int) -> dict[str, str]:
    """The value of every kind in one minor version."""
    lines = read_lines((SOURCES / "kinds.txt").read_text())
    return {line.name: line.value for line in lines if line.first <= minor <= line.last}


def _minors(versions: str) -> tuple[int, int]:
    if versions == "*":
        return 0, 99
    first, dash, last = versions.replace("3.", "").partition("-")
    return int(first), int(last or (99 if dash else first))


def include_folders(include: Path) -> list[Path]:
    """Where the headers are: the folder, its internal part, and what Debian splits off."""
    root = include.parent
    return [include, include / "internal", root, *sorted(root.glob("*-linux-gnu*"))]


def minor_of(include: Path) -> int:
    """The minor version of the headers in a folder."""
    header = include / "patchlevel.h"
    if not header.exists():
        raise GeneratorError(f"no headers of CPython in {include}")
    match = re.search(r"define PY_MINOR_VERSION\s+(\d+)", header.read_text())
    if match is None:
        raise GeneratorError(f"{header} names no version")
    return int(match[1])


def read_headers(include: Path) -> Headers:
    """Compile the fields of a version against its headers, and run the result.

    Raises:
        GeneratorError: the headers are missing or do not have what fields.txt says.
    """
    minor = minor_of(include)
    fields = read_lines((SOURCES / "fields.txt").read_text())
    wanted = [field for field in fields if field.first <= minor <= field.last]
    lines = [
        f'printf("{f.name} %lld %s\\n", (long long)({in_c(f.value)}), {width_in_c(f.value)});\n'
        for f in wanted
    ]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "fields.inc").write_text("".join(lines))
        program = Path(folder, "offsets")
        searched = [f"-I{path}" for path in [Path(folder), SOURCES, *include_folders(include)]]
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-std=gnu11", "-w", *searched, "-o", str(program)]
        _run([*command, str(SOURCES / "offsets.c")], include)
        printed = _run([str(program)], include)
    release, *pairs = [line.split(" ", 1)[1] for line in printed.splitlines()]
    values: dict[str, int] = {}
    widths: dict[str, str] = {}
    for field, pair in zip(wanted, pairs, strict=True):
        if field.name in values:
            raise GeneratorError(f"{field.name} is there twice for 3.{minor}")
        value, width = pair.split()
        values[field.name] = int(value)
        if width not in ("-", "u8"):
            widths[field.name] = width
    return Headers(release, values, widths)


def _run(command: list[str], include: Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S, check=False
    )
    if done.returncode:
        raise GeneratorError(f"the headers in {include} do not fit:\n{done.stderr.strip()}")
    return done.stdout


def render(headers: list[Headers]) -> str:
    """Return the text of a table (TOML) from the headers of one minor version, the oldest first."""
    base, *newer = sorted(headers, key=lambda each: each.numbers)
    version = ".".join(base.release.split(".")[:2])
    lines = [
        f"# Where CPython {version} keeps what: byte offsets and sizes by struct.",
        f"# Generated by native/layouts/generate.py from {base.release}'s headers: do not edit.",
        "",
        f'headers_used = "{base.release}"',
        "",
        "[kinds]",
        *(f'{name} = "{value}"' for name, value in kinds_of(base.numbers[1]).items()),
        "",
        *_sections("fields", base.values),
        "# Fields that are not 8 bytes wide: signed (i) or not (u), and their bytes.",
        "",
        *_sections("widths", {name: f'"{width}"' for name, width in base.widths.items()}),
    ]
    for each in newer:
        changed = {
            name: value for name, value in each.values.items() if base.values.get(name) != value
        }
        lines += [f"# What the headers of {each.release} have differently.", ""]
        lines += _sections(f'revisions."{each.release}"', changed)
    return "\n".join(lines)


def _sections(prefix: str, values: Mapping[str, object]) -> list[str]:
    """One TOML table per struct; "deque.block.data" stands in [fields."deque.block"]."""
    lines = []
    for struct in sorted({name.rpartition(".")[0] for name in values}):
        lines.append(f'[{prefix}."{struct}"]' if "." in struct else f"[{prefix}.{struct}]")
        lines += [
            f"{name.rpartition('.')[2]} = {values[name]}"
            for name in sorted(values)
            if name.rpartition(".")[0] == struct
        ]
        lines.append("")
    return lines


def known_folders() -> list[Path]:
    """Folders with headers of the interpreters that the tests run on as well."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    fetched = Path(os.environ.get("HEAPGRAPH_INTERPRETERS", SOURCES.parents[1] / ".interpreters"))
    found = [*pyenv.glob("versions/*/include/python3.*"), *fetched.glob("*/usr/include/python3.*")]
    usual = re.compile(r"python3\.(\d+)")  # not the debug and free-threaded builds, nor 3.7m
    return sorted(
        path
        for path in found
        if (name := usual.fullmatch(path.name)) is not None
        and int(name[1]) >= OLDEST_MINOR
        and (path / "Python.h").is_file()
    )


def check_revisions(table: Path, headers: list[Headers]) -> None:
    """Refuse to forget what headers that are not given have differently."""
    if not table.is_file():
        return
    given = {each.release for each in headers}
    missing = set(re.findall(r'^\[revisions\."([^"]+)"', table.read_text(), re.MULTILINE)) - given
    if missing:
        raise GeneratorError(
            f"{table.name} has a revision for {', '.join(sorted(missing))}, whose headers are not "
            "given; add their folder"
        )


def main() -> int:
    """Write the table of each version that is named by its headers."""
    includes = [Path(name).resolve() for name in sys.argv[1:]] or known_folders()
    if not includes:
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        by_minor: dict[int, list[Headers]] = {}
        for include in includes:
            by_minor.setdefault(minor_of(include), []).append(read_headers(include))
        for minor, headers in by_minor.items():
            check_revisions(TABLES / f"cpython-3.{minor}.toml", headers)
    except GeneratorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for minor, headers in sorted(by_minor.items()):
        table = TABLES / f"cpython-3.{minor}.toml"
        table.write_text(render(headers))
        sys.stdout.write(f"{table.name}: {', '.join(each.release for each in headers)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
