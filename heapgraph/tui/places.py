"""Places: what can be looked at, as values that history, bookmarks and command lines share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from heapgraph.analysis.registry import REGISTRY
from heapgraph.model import ALL_ROOTS
from heapgraph.tui.queries import roots_query, set_query, types_query

_SPECIAL_IN_DOUBLE_QUOTES = frozenset('"$`\\!\n')
"""What means something else to a shell in double quotes."""

FILE = "\0FILE"
"""Stands for the open snapshot among the words of a command line; no argument can contain NUL."""


@dataclass(frozen=True)
class Place:
    """One view of the snapshot; equal places show the same.

    Attributes:
        title: what is being made, until the page with a title of its own is there.
    """

    title: ClassVar[str] = "page"

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

    title: ClassVar[str] = "overview"

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

    title: ClassVar[str] = "dominator tree"

    object_id: int | None = None

    def words(self, target: str) -> list[str]:
        """`dominators` of the object, or of all roots together."""
        return ["dominators", "--of", ALL_ROOTS if self.object_id is None else target]


@dataclass(frozen=True)
class Inspect(Place):
    """Everything about one object."""

    title: ClassVar[str] = "object"

    object_id: int

    def words(self, target: str) -> list[str]:
        """`show`."""
        return ["show", target]


@dataclass(frozen=True)
class Named(Place):
    """Everything about the object that a text names; the text is resolved when it is opened."""

    title: ClassVar[str] = "object"

    text: str


@dataclass(frozen=True)
class PathTo(Place):
    """Paths from the roots to one object.

    Attributes:
        exclude: kinds not to use, as on the command line.
        without: single references not to use, as rows of the references table.
    """

    title: ClassVar[str] = "paths"

    object_id: int
    exclude: tuple[str, ...] = ()
    without: tuple[int, ...] = ()

    def words(self, target: str) -> list[str] | None:
        """`path`; single references cannot be left out on the command line."""
        if self.without:
            return None
        kinds = ["--exclude", ",".join(self.exclude)] if self.exclude else []
        return ["path", target, *kinds]


@dataclass(frozen=True)
class Types(Place):
    """The histogram, of everything or of a set.

    Attributes:
        within: text of the set; "" for all objects.
    """

    title: ClassVar[str] = "types"

    within: str = ""

    def words(self, target: str) -> list[str]:
        """`histogram`; of a set, `sql`."""
        del target
        return ["sql", types_query(self.within)] if self.within else ["histogram"]


@dataclass(frozen=True)
class ObjectSet(Place):
    """The objects that a text names or a search finds."""

    title: ClassVar[str] = "objects"

    text: str

    def words(self, target: str) -> list[str]:
        """`sql`."""
        del target
        return ["sql", set_query(self.text)]


@dataclass(frozen=True)
class MergedPathsTo(Place):
    """Who holds the objects of a set."""

    title: ClassVar[str] = "holders"

    text: str

    def words(self, target: str) -> list[str] | None:
        """`path`, for sets the command line can name."""
        del target
        return ["path", self.text] if self.text.startswith("type:") else None


@dataclass(frozen=True)
class RootsOf(Place):
    """What the roots of one kind keep alive.

    Attributes:
        kind: name of the kind, as `summary` lists it.
    """

    title: ClassVar[str] = "roots"

    kind: str

    def words(self, target: str) -> list[str]:
        """`sql`."""
        del target
        return ["sql", roots_query(self.kind)]


@dataclass(frozen=True)
class Analyses(Place):
    """The list of all analyses."""

    title: ClassVar[str] = "analyses"


@dataclass(frozen=True)
class AnalysisOf(Place):
    """The result of one analysis.

    Attributes:
        name: a key of the registry.
        parameters: names and values, as text.
    """

    title: ClassVar[str] = "analysis"

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def words(self, target: str) -> list[str] | None:
        """The command that asks it, with its arguments and options."""
        del target
        return REGISTRY[self.name].words(dict(self.parameters))


@dataclass(frozen=True)
class Compared(Place):
    """What grew between the open snapshot and others.

    Attributes:
        others: their files; none yet: they are asked for.
        position: where the open snapshot stands among them, the oldest first.
    """

    title: ClassVar[str] = "diff"

    others: tuple[str, ...] = ()
    position: int = 0

    def words(self, target: str) -> list[str] | None:
        """`diff` with the files in the order of their age."""
        del target
        if not self.others:
            return None
        return ["diff", *self.others[: self.position], FILE, *self.others[self.position :]]


@dataclass(frozen=True)
class Bookmarks(Place):
    """What the user marked."""

    title: ClassVar[str] = "bookmarks"


def command_line(file: str, words: list[str]) -> str:
    """The line to type in a shell; the file comes first unless its place is marked."""
    command, *arguments = words
    if FILE not in arguments:
        arguments.insert(0, FILE)
    words = ["heapgraph", command, *(file if word == FILE else word for word in arguments)]
    return " ".join(map(_for_shell, words))


def _for_shell(word: str) -> str:
    """A word quoted for a shell; in double quotes where those need no further signs inside."""
    if "'" in word and _SPECIAL_IN_DOUBLE_QUOTES.isdisjoint(word):
        return f'"{word}"'
    return shlex.quote(word)
