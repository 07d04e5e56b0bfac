"""Where in the source the groups of a stack tree come from, as far as the snapshot knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.analysis.execution.code_places import SUSPENDABLE_TYPES, place_of
from heapgraph.model import NO_ROW, VIRTUAL_ROOT, RootKind

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph


@dataclass(frozen=True)
class SourcePlace:
    """A file and a line of it: "" and 0 where they are not known."""

    file: str = ""
    line: int = 0


NOWHERE = SourcePlace()


class SourcePlaces:
    """Finds the code that belongs to objects.

    Args:
        graph: the snapshot.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Look nothing up yet."""
        self._graph = graph
        self._classes: dict[str, SourcePlace] = {}

    def of_object(self, object_id: int, type_name: str) -> SourcePlace:
        """The code of a suspended function, else the class.

        Args:
            object_id: the object.
            type_name: of its type.
        """
        if type_name in SUSPENDABLE_TYPES:
            code = place_of(self._graph, object_id)
            return SourcePlace(code.file, code.line) if code.file else NOWHERE
        return self.of_class(type_name)

    def of_class(self, type_name: str) -> SourcePlace:
        """The file of a class's module, and the first line of its first method.

        Cost: a pass over the functions of its file, once; over all code objects, once.
        """
        if type_name not in self._classes:
            self._classes[type_name] = self._find_class(type_name)
        return self._classes[type_name]

    def of_module(self, name: str) -> SourcePlace:
        """The file of a module."""
        module = self._graph.modules.by_name.get(name)
        return NOWHERE if module is None else SourcePlace(module.file)

    def of_root(self, object_id: int) -> SourcePlace:
        """The function whose variable an object is, or the module that it is."""
        graph = self._graph
        if int(graph.root_paths.parent[object_id]) != VIRTUAL_ROOT:
            return NOWHERE
        root = graph.roots.row(graph.roots.rows_of(object_id)[0])
        if root.kind is RootKind.MODULE:
            return self.of_module(root.name)
        if root.kind is not RootKind.FRAME or root.frame == NO_ROW:
            return NOWHERE
        frame = graph.frames[root.frame]
        first = graph.codes.place(frame.code).line
        return SourcePlace(frame.file, first or frame.line)

    def _find_class(self, type_name: str) -> SourcePlace:
        modules = self._graph.modules.by_name
        module, _, rest = type_name.rpartition(".")
        while module and module not in modules:
            module, _, outer = module.rpartition(".")
            rest = f"{outer}.{rest}"
        if not module or not modules[module].file:
            return NOWHERE
        file = modules[module].file
        functions = self._graph.codes.functions_by_file.get(file, ())
        lines = [line for name, line in functions if line > 0 and name.startswith(f"{rest}.")]
        return SourcePlace(file, min(lines, default=0))
