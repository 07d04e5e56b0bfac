"""Places: what can be looked at, as values that history, bookmarks and command lines share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One view of the snapshot; equal places show the same."""

    def words(self, target: str) -> list[str] | None:
        """Command and arguments that show the same outside the browser, FILE left out.

        Args:
            target: OBJECT text of the place's object, if it has one.

        Returns:
            `[COMMAND, ARGUMENT...]`, or None when no command shows it.
        """
        del target
        return None


@dataclass(frozen=True)
class Overview(Place):
    """The first look."""

    def words(self, target: str) -> list[str]:
        """`summary`."""
        del target
        return ["summary"]


@dataclass(frozen=True)
class DominatorsOf(Place):
    """The dominator tree below an object, or the whole one.

    Attributes:
        object_id: None for the whole tree.
    """

    object_id: int | None = None

    def words(self, target: str) -> list[str]:
        """`dominators`, with `--of` below the top."""
        return ["dominators"] if self.object_id is None else ["dominators", "--of", target]


@dataclass(frozen=True)
class Inspect(Place):
    """Everything about one object."""

    object_id: int

    def words(self, target: str) -> list[str]:
        """`show`."""
        return ["show", target]


@dataclass(frozen=True)
class Named(Place):
    """Everything about the object that a text names; the text is resolved when it is opened."""

    text: str


@dataclass(frozen=True)
class PathTo(Place):
    """Paths from the roots to one object.

    Attributes:
        exclude: kinds not to use, as on the command line.
        without: single references not to use, as rows of the references table.
    """

    object_id: int
    exclude: tuple[str, ...] = ()
    without: tuple[int, ...] = ()

    def words(self, target: str) -> list[str]:
        """`path`; single references cannot be left out on the command line."""
        kinds = ["--exclude", ",".join(self.exclude)] if self.exclude else []
        return ["path", target, *kinds]


@dataclass(frozen=True)
class Types(Place):
    """The histogram, of everything or of a set.

    Attributes:
        within: text of the set; "" for all objects.
    """

    within: str = ""

    def words(self, target: str) -> list[str] | None:
        """`histogram`, which knows no sets."""
        del target
        return None if self.within else ["histogram"]


@dataclass(frozen=True)
class ObjectSet(Place):
    """The objects that a text names or a search finds."""

    text: str

    def words(self, target: str) -> list[str] | None:
        """`path`, for sets the command line can name."""
        del target
        return ["path", self.text] if self.text.startswith("type:") else None


@dataclass(frozen=True)
class MergedPathsTo(Place):
    """Who holds the objects of a set."""

    text: str

    def words(self, target: str) -> list[str] | None:
        """`path`, for sets the command line can name."""
        return ObjectSet(self.text).words(target)


@dataclass(frozen=True)
class Analyses(Place):
    """The list of all analyses."""


@dataclass(frozen=True)
class AnalysisOf(Place):
    """The result of one analysis.

    Attributes:
        name: a key of the registry.
        parameters: names and values as text, those without a default first.
    """

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def words(self, target: str) -> list[str]:
        """The command of the same name with the values in order."""
        del target
        return [self.name, *(value for _, value in self.parameters)]


@dataclass(frozen=True)
class Bookmarks(Place):
    """What the user marked."""


def command_line(file: str, words: list[str]) -> str:
    """The line to type in a shell."""
    command, *arguments = words
    return shlex.join(["heapgraph", command, file, *arguments])
