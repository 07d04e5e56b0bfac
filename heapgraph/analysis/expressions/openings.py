"""How an expression begins: the name of the root that keeps the first object alive."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, proxy

import numpy as np

from heapgraph.analysis.expressions.literals import describe_value, describe_values
from heapgraph.analysis.expressions.segments import is_attribute_name
from heapgraph.model import NO_ROW, ROOT_KIND_NAMES, RootKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.roots import Root

_SUB_INTERPRETER = re.compile(r"(?P<name>.*) \(interpreter (?P<number>\d+)\)")
"""A root's name in an interpreter other than the main one."""

_LOCALS = "<locals>"
"""Name of a frame's own dict of variables, as module code and class bodies have it."""

_NAMED_BY_FIELD = {
    RootKind.INTERPRETER: "interpreter",
    RootKind.THREAD: "thread state",
    RootKind.STATIC_TYPE: "static type",
    RootKind.LIBRARY: "C variable of",
}

_OWN_NAME = re.compile(r"atexit callbacks\b.*")
"""Roots of the interpreter that are known by a name of their own and not as fields."""

_NAMED_OTHERWISE = frozenset(
    {RootKind.MODULE, RootKind.BUILTINS, RootKind.FRAME, RootKind.C_HELD, *_NAMED_BY_FIELD}
)

_END, _NUMBER = re.compile(">"), re.compile(r" @(\d{1,10})>$")
_MAX_ENDS = 1000
"""Places in a text at which an opening may end; longer ones are nobody's."""

_DICT_TYPES = frozenset({"dict", "collections.OrderedDict", "collections.defaultdict"})


@dataclass(frozen=True)
class Opening:
    """The beginning of an expression.

    Attributes:
        prefix: what is not Python, e.g. `<thread 'worker-3' in handle() at app.py:88>`.
        head: the Python name behind it, e.g. `rows`; may be empty.
        is_namespace: the first object is the dict of what `head` names, or of plain names.
    """

    prefix: str
    head: str
    is_namespace: bool = False


@dataclass(frozen=True)
class _Index:
    """The roots of one kind.

    Attributes:
        rows: by the beginning of their expressions, without `@ID`.
        alike: how many objects are held by roots that read alike: prefix and head.
    """

    rows: dict[str, list[int]]
    alike: Counter[tuple[str, str]]


class RootNames:
    """The roots of a graph as the beginnings of expressions, findable by module name."""

    def __init__(self, graph: HeapGraph) -> None:
        """Index nothing yet."""
        # What is kept beside a graph must not keep the graph.
        self._graph: HeapGraph = proxy(graph)
        self._roots = graph.roots
        self._indexes: dict[RootKind, _Index] = {}

    @cached_property
    def modules(self) -> dict[str, list[int]]:
        """Objects that go by a module's name; more than one is a damaged module table."""
        found: dict[str, list[int]] = {}
        for kind in (RootKind.MODULE, RootKind.BUILTINS):
            for row in np.flatnonzero(self._roots.kinds == kind):
                root = self._roots.row(int(row))
                known = found.setdefault(_module_name(root), [])
                if root.target not in known and (kind is RootKind.MODULE or not known):
                    known.append(root.target)
        return found

    @cached_property
    def namespaces(self) -> frozenset[int]:
        """Dicts that stand for a module themselves, because the root is the dict."""
        targets = (target for targets in self.modules.values() for target in targets)
        return frozenset(t for t in targets if self._graph.type_name(t) in _DICT_TYPES)

    def opening(self, row: int) -> Opening:
        """How expressions begin that start at this root, with `@ID` where several read alike.

        Cost: the first of a kind names all roots of that kind, 3 us each.
        """
        opening = self._opening(row)
        kind = RootKind(int(self._roots.kinds[row]))
        if kind in (RootKind.MODULE, RootKind.BUILTINS):
            return opening
        is_alone = self._index(kind).alike[opening.prefix, opening.head] == 1
        if is_alone or opening.prefix.endswith(f"@{self._roots.targets[row]}>"):
            return opening
        prefix = f"{opening.prefix[:-1]} @{self._roots.targets[row]}>"
        return replace(opening, prefix=prefix)

    def rows_begun(self, text: str) -> Iterator[int]:
        """Rows of the roots with whose opening a text may begin.

        Cost: that of `opening`, for the kinds that the first word may mean; then nothing.
        """
        ends = [match.end() for match in _END.finditer(text)][:_MAX_ENDS]
        for kind in map(RootKind, np.unique(self._roots.kinds).tolist()):
            if not text.startswith(_leads(kind)):
                continue
            rows = self._index(kind).rows
            for end in ends:
                begin = text[:end]
                yield from rows.get(begin, ())
                if number := _NUMBER.search(begin):
                    alike = rows.get(f"{begin[: number.start()]}>", ())
                    yield from (
                        row for row in alike if int(self._roots.targets[row]) == int(number[1])
                    )

    def _index(self, kind: RootKind) -> _Index:
        """The roots of a kind by what their openings are without `@ID`."""
        if kind not in self._indexes:
            found = np.flatnonzero(self._roots.kinds == kind).tolist()
            targets = self._roots.targets
            by_value = self._by_value(kind, found)
            texts = describe_values(self._graph, targets[by_value])
            name = ROOT_KIND_NAMES[kind]
            values = {row: f"<{name} {text}>" for row, text in zip(by_value, texts, strict=True)}
            rows: dict[str, list[int]] = {}
            distinct = set()
            for row in found:
                opening = Opening(values[row], "") if row in values else self._opening(row)
                if opening.prefix:
                    rows.setdefault(opening.prefix, []).append(row)
                distinct.add((opening.prefix, opening.head, int(targets[row])))
            alike = Counter((prefix, head) for prefix, head, _ in distinct)
            self._indexes[kind] = _Index(rows, alike)
        return self._indexes[kind]

    def _by_value(self, kind: RootKind, rows: list[int]) -> list[int]:
        """Those roots of a kind of which nothing but the object itself says which they are."""
        if kind in _NAMED_OTHERWISE:
            return []
        if kind is not RootKind.INTERNED:
            return rows
        return [row for row in rows if not self._roots.names[row].startswith("interned")]

    @cached_property
    def _frame_texts(self) -> list[str]:
        return [self.frame_text(row) for row in range(len(self._graph.frames))]

    def _opening(self, row: int) -> Opening:
        root = self._roots.row(row)
        if root.kind in (RootKind.MODULE, RootKind.BUILTINS):
            return self._module_opening(root)
        if root.kind is RootKind.FRAME:
            return self._frame_opening(root)
        if root.kind is RootKind.C_HELD:
            noun = "reference" if root.count == 1 else "references"
            short = self._graph.type_name(root.target).rpartition(".")[2]
            return Opening(f"<held by C code, {format_count(root.count)} {noun}>", short)
        return Opening(self._text_of(root), "")

    def _text_of(self, root: Root) -> str:
        """What stands for a root that is no Python name."""
        if root.kind is RootKind.INTERPRETER and _OWN_NAME.fullmatch(root.name):
            return f"<{root.name}>"
        if root.kind is RootKind.INTERNED and root.name.startswith("interned"):
            return f"<interned strings{root.name.removeprefix('interned')}>"
        if root.kind in _NAMED_BY_FIELD:
            word = _NAMED_BY_FIELD[root.kind]
            if root.name == word:  # its own name is not known
                return f"<{word} @{root.target}>"
            return f"<{word} {root.name.removeprefix(word).lstrip()}>"
        return f"<{ROOT_KIND_NAMES[root.kind]} {describe_value(self._graph, root.target)}>"

    def _module_opening(self, root: Root) -> Opening:
        """A module by its name in sys.modules, or by its number where two go by that name."""
        name = _module_name(root)
        is_namespace = self._graph.type_name(root.target) in _DICT_TYPES
        if self.modules[name] != [root.target]:
            return Opening(f"<module {name} @{root.target}>", "", is_namespace)
        prefix = ""
        if match := _SUB_INTERPRETER.fullmatch(name):
            name, prefix = match["name"], f"<interpreter {match['number']}>"
        if all(is_attribute_name(part) for part in name.split(".")):
            return Opening(prefix, name, is_namespace)
        return Opening(prefix, f"sys.modules[{name!r}]", is_namespace)

    def _frame_opening(self, root: Root) -> Opening:
        """A local variable with the thread, the function and the line that hold it."""
        name = root.name
        head = name if is_attribute_name(name) or name.startswith("<") else f"<{name}>"
        where = "frame" if root.frame == NO_ROW else self._frame_texts[root.frame]
        if name == _LOCALS:
            return Opening(f"<{where}>", "", is_namespace=True)
        return Opening(f"<{where}>", head)

    def frame_text(self, frame_row: int) -> str:
        """A frame in one line: `thread 'worker-3' in handle() at app.py:88`."""
        frame = self._graph.frames[frame_row]
        thread = self._graph.threads[frame.thread]
        who = repr(thread.name) if thread.name else str(thread.native_id or thread.thread_id)
        return (
            f"thread {who} in {frame.function}() at {posixpath.basename(frame.file)}:{frame.line}"
        )


def _leads(kind: RootKind) -> tuple[str, ...]:
    """What the openings of a kind of root begin with."""
    if kind in (RootKind.MODULE, RootKind.BUILTINS):
        return ("<module ", "<interpreter ")
    if kind is RootKind.FRAME:
        return ("<thread ", "<frame")
    if kind is RootKind.C_HELD:
        return ("<held by C code, ",)
    if kind is RootKind.INTERPRETER:
        return ("<interpreter ", "<atexit callbacks")
    if kind in _NAMED_BY_FIELD:
        return (f"<{_NAMED_BY_FIELD[kind]} ",)
    return (f"<{ROOT_KIND_NAMES[kind]}",)


def _module_name(root: Root) -> str:
    return root.name if root.kind is RootKind.MODULE else "builtins"


_KNOWN: WeakKeyDictionary[HeapGraph, RootNames] = WeakKeyDictionary()


def root_names(graph: HeapGraph) -> RootNames:
    """The names of a graph's roots, indexed once per graph."""
    if graph not in _KNOWN:
        _KNOWN[graph] = RootNames(graph)
    return _KNOWN[graph]
