"""Fails when something was left in the repository that does not belong there.

Prints the ten longest Python files, then each finding as `path:line: reason`; the exit code is 1
when there is one.

    python scripts/check_leftovers.py [FOLDER]
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINES = 400
"""A longer Python file has more than one job."""

MAX_FILES = 20
ROOMS = ("heapgraph/", "native/")
"""Where a folder with more files tells nobody any more what happens in which order."""

RULES_FILE = "scripts/leftovers.txt"
"""The forbidden patterns, a line each: scope, pattern, reason, separated by tabs."""

READERS = "native/walker/types/readers.cpp"
"""The one table of readers; each is made in the file of its family."""

_FAMILY = re.compile(r"native/walker/types/(builtins|stdlib|packages)/\w+\.cpp")

EXEMPT = (RULES_FILE, "fixtures/leftovers/")
"""What names the forbidden things because that is its job."""


@dataclass(frozen=True)
class Rule:
    """One thing that must not be in the files its scope matches."""

    scope: re.Pattern[str]
    pattern: re.Pattern[str]
    reason: str


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file; lines that are empty or begin with # are left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [Rule(re.compile(scope), re.compile(pattern), reason) for scope, pattern, reason in rows]


def read_ignored(folder: Path) -> list[str]:
    """The patterns of .gitignore, and git's own folder."""
    lines = (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [".git", *(line.strip("/") for line in lines if line and not line.startswith("#"))]


def project_files(folder: Path) -> list[str]:
    """The files of a work tree that .gitignore does not name, relative to `folder`, sorted.

    git is not asked: it refuses a work tree of another user, and a copy may have none.
    """
    ignored = read_ignored(folder)

    def is_kept(path: Path) -> bool:
        names = (path.name, path.relative_to(folder).as_posix())
        return not any(fnmatch(name, pattern) for name in names for pattern in ignored)

    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if is_kept(Path(place, name))]
        paths = [Path(place, name) for name in files]
        found += [path.relative_to(folder).as_posix() for path in paths if is_kept(path)]
    return sorted(found)


def read_text(path: Path) -> str | None:
    """The text of a file, None when it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def find_words(name: str, text: str, rules: list[Rule]) -> list[str]:
    """A finding for each line of a file that a rule forbids."""
    active = [rule for rule in rules if rule.scope.search(name)]
    return [
        f"{name}:{number}: {rule.reason}"
        for number, line in enumerate(text.splitlines(), 1)
        for rule in active
        if rule.pattern.search(line)
    ]


def find_leftovers(texts: dict[str, str], rules: list[Rule]) -> list[str]:
    """Every finding in the given files, in their order.

    Args:
        texts: the text of each file by its name relative to the repository.
        rules: what is forbidden where.
    """
    findings = []
    for name, text in texts.items():
        lines = len(text.splitlines())
        if name.endswith(".py") and lines > MAX_LINES:
            findings.append(f"{name}:{lines}: longer than {MAX_LINES} lines")
        if not name.startswith(EXEMPT):
            findings += find_words(name, text, rules)
    return findings


def find_crowded_folders(names: Iterable[str]) -> list[str]:
    """A finding for each folder of `ROOMS` that holds too many files itself.

    Args:
        names: of all files, relative to the repository.
    """
    counts = Counter(name.rpartition("/")[0] for name in names if name.startswith(ROOMS))
    return [
        f"{folder}:{count}: more than {MAX_FILES} files in one folder"
        for folder, count in sorted(counts.items())
        if count > MAX_FILES
    ]


def find_scattered_readers(texts: dict[str, str]) -> list[str]:
    """A finding for each reader of types that is not made in one file of a family.

    Args:
        texts: the text of each file by its name relative to the repository.
    """
    table = texts.get(READERS, "")
    listed = re.findall(r"\bX\((\w+)\)", table.partition("namespace")[0])
    made: dict[str, list[str]] = {name: [] for name in listed}
    for file, text in texts.items():
        if file.startswith(READERS.rpartition("/")[0]) and file.endswith(".cpp"):
            for name in re.findall(r"^extern const TypeReader (\w+)_reader\{", text, re.MULTILINE):
                made.setdefault(name, []).append(file)
    return [
        f"{READERS}: reader {name} is made in {', '.join(files) or 'no file'}, not in one family's"
        for name, files in made.items()
        if name not in listed or len(files) != 1 or not _FAMILY.fullmatch(files[0])
    ]


def longest_python_files(texts: dict[str, str], count: int) -> list[tuple[int, str]]:
    """(lines, name) of the longest Python files, longest first."""
    lengths = [
        (len(text.splitlines()), name) for name, text in texts.items() if name.endswith(".py")
    ]
    return sorted(lengths, reverse=True)[:count]


def main() -> int:
    """Check the repository around this script, or the one named on the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    texts = {}
    for name in project_files(folder):
        text = read_text(folder / name)
        if text is not None:
            texts[name] = text
    for lines, name in longest_python_files(texts, 10):
        print(f"{lines:5} {name}")
    findings = find_leftovers(texts, read_rules(folder / RULES_FILE))
    findings += find_crowded_folders(texts)
    findings += find_scattered_readers(texts)
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
