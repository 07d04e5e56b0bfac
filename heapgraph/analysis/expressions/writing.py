"""A path from a root as the Python that walks it; see expressions.py for how it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.carriers import (
    CONTEXT_TYPES,
    THREAD_LOCAL,
    context_key,
    context_step,
    is_context_tree,
    is_event_loop,
    local_thread,
    loop_opening,
)
from heapgraph.analysis.expressions.descriptors import has_python_get
from heapgraph.analysis.expressions.literals import UNKNOWN, text_of
from heapgraph.analysis.expressions.openings import RootNames, root_names
from heapgraph.analysis.expressions.python_steps import (
    AWAITED_ATTRIBUTES,
    FRAME_ATTRIBUTES,
    awaited_target,
    captured_names,
    listed_position,
    tuple_field,
)
from heapgraph.analysis.expressions.segments import (
    direct_attribute_targets,
    is_attribute_name,
    is_namespace,
    label_text,
    segment,
    type_object,
)
from heapgraph.analysis.expressions.suspended_functions import (
    TASK_TYPES,
    is_suspended,
    suspended_opening,
)
from heapgraph.model import EdgeKind, ObjectFlags, RootKind

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.paths import RootPath
    from heapgraph.graph.references import Reference

_MAX_SEGMENTS = 40
_HEAD_SEGMENTS, _TAIL_SEGMENTS = 12, 8
_END_REFERENCES = 100
"""References followed at each end of a path; the last item of a linked list has a million."""
_WRAPPED = "\0"
"""Stands in a segment for everything before it: `type(...)` is around it."""

_TYPE_CALL = f"type({_WRAPPED})"

_UNBINDING_TYPES = frozenset(
    {"staticmethod", "classmethod", "types.DynamicClassAttribute", "enum.property"}
)
"""Descriptors that `Class.name` replaces by something else."""

_LOOP_MODULES = frozenset({"asyncio", "_asyncio", "uvloop"})
"""A loop that only they hold is named by its thread."""

_RESERVED_NAMES = frozenset({"__dict__", "__class__"})


def expression(graph: HeapGraph, object_id: int) -> str:
    """How to reach an object in Python; `<unreachable TYPE @ID>` when no root leads to it.

    Cost: proportional to the shortest path; the first call for a graph searches all of them.
    """
    path = graph.root_paths.path_to(object_id)
    if path is None:
        return f"<unreachable {graph.type_name(object_id)} @{object_id}>"
    return write_path(graph, path)


def write_path(graph: HeapGraph, path: RootPath) -> str:
    """The text of one path; beyond 40 references its middle is left out."""
    writer = _Writer(graph, root_names(graph), path)
    edges = [step.edge_index for step in path.steps if step.edge_index is not None]
    left_out = len(edges) - 2 * _END_REFERENCES
    for edge in edges if left_out <= 0 else edges[:_END_REFERENCES]:
        writer.follow(graph.reference(edge))
    if left_out > 0:
        writer.leave_out(left_out, graph.reference(edges[-_END_REFERENCES]).source)
        for edge in edges[-_END_REFERENCES:]:
            writer.follow(graph.reference(edge))
    return writer.text()


def path_references(graph: HeapGraph, path: RootPath) -> list[Reference]:
    """The references along a path, one fewer than its objects."""
    edges = (step.edge_index for step in path.steps)
    return graph.references([edge for edge in edges if edge is not None])


class _Writer:
    """Builds one expression, reference by reference."""

    def __init__(self, graph: HeapGraph, names: RootNames, path: RootPath) -> None:
        """Begin at the path's root."""
        self._graph = graph
        self._names = names
        opening = names.opening(path.root)
        self._prefix, self._head = opening.prefix, opening.head
        self._segments: list[str] = []
        # What was written, as long as it is names and dots only: it may be a module's name.
        self._dotted = "" if opening.prefix else opening.head
        # The object whose __dict__ was entered but not written yet: `.name` may replace it.
        self._namespace_owner = path.steps[0].object_id if opening.is_namespace else None
        self._head_is_namespace = opening.is_namespace
        self._names_follow = opening.is_namespace
        # Only the name of a local variable has been written so far.
        self._is_variable = graph.roots.kinds[path.root] == RootKind.FRAME
        self._previous: Reference | None = None
        self._ends: list[int] = []  # the object that each segment leads to
        self._function: int | None = None  # the last one whose closure was entered
        self._carrier: tuple[int, int] = (0, 0)  # a context or a local, and the segments before it
        self._carrier_is_python = False
        self._reached = path.steps[0].object_id
        self._suffix = ""
        root = graph.roots.names[path.root].partition(".")[0]
        self._is_of_loop = root in _LOOP_MODULES
        self._left_out = 0
        # Whether a variable can be named by the function that has it, and by what is before it.
        kind = graph.roots.kinds[path.root]
        self._is_python = kind in (RootKind.MODULE, RootKind.BUILTINS, RootKind.FRAME)
        self._task: int | None = None

    def leave_out(self, count: int, reached: int) -> None:
        """Go on behind so many references that are not looked at, at another object."""
        self._left_out += count
        self._task = None
        self._namespace_owner = self._previous = None
        self._is_variable = False
        self._carrier = (0, 0)
        self._write(f"<... {count} more @{reached}>", reached)
        self._left_out -= 1  # that segment is counted where the middle is cut out

    def follow(self, reference: Reference) -> None:
        """Add one reference."""
        owner, self._namespace_owner = self._namespace_owner, None
        if self._is_variable and self._graph.type_name(reference.source) == "cell":
            self._is_variable = False  # the variable's name means what is in its cell
            self._ends[-1:] = [reference.target] if self._ends else []
        else:
            self._is_variable = False
            if owner is None or not self._write_attribute(owner, reference):
                if owner is not None:
                    self._write_dict(reference.source)
                if not self._write_carried(reference):
                    self._write_reference(reference)
            self._follow_task(reference)
        if is_event_loop(self._graph, reference.target):
            self._enter_loop(reference.target)
        self._previous, self._reached = reference, reference.target

    def text(self) -> str:
        """The expression so far."""
        if self._namespace_owner is not None:
            self._write_dict(0)
        segments = self._segments
        if len(segments) > _MAX_SEGMENTS:
            left_out = self._left_out + len(segments) - _HEAD_SEGMENTS - _TAIL_SEGMENTS
            head, tail = segments[:_HEAD_SEGMENTS], segments[-_TAIL_SEGMENTS:]
            reached = self._ends[-_TAIL_SEGMENTS - 1]
            segments = [*head, f"<... {left_out} more @{reached}>", *tail]
        text = self._head
        for part in segments:
            text = part.replace(_WRAPPED, text) if _WRAPPED in part else text + part
        if self._names_follow and not self._head:
            text = text.removeprefix(".")  # variables of the frame, globals of the module
        if self._is_variable and self._graph.type_name(self._reached) == "cell":
            text += f"<cell @{self._reached}>"  # by its name alone, the variable is what is in it
        space = " " if self._prefix and (self._head or self._names_follow) and text else ""
        return f"{self._prefix}{space}{text}{self._suffix}"

    def _write(self, part: str, reached: int) -> None:
        self._segments.append(part)
        self._ends.append(reached)
        is_hidden = part.startswith(("<", "[<"))
        self._is_python = self._is_python and not is_hidden
        names_only = self._dotted and part.startswith(".") and not is_hidden
        self._dotted = self._dotted + part if names_only else ""

    def _write_dict(self, reached: int) -> None:
        if not (self._head_is_namespace and not self._segments):
            self._write(".__dict__", reached)

    def _write_reference(self, reference: Reference) -> None:
        if is_namespace(reference):
            self._namespace_owner = reference.source
            self._head_is_namespace = False
        elif reference.kind is EdgeKind.TYPE:
            is_own = reference.target == type_object(self._graph, reference.source)
            part = _TYPE_CALL if is_own else segment(self._graph, reference)
            self._write(part, reference.target)
        elif reference.kind is EdgeKind.LOCAL and is_suspended(self._graph, reference.source):
            self._write_local(reference)
        elif reference.kind is not EdgeKind.ATTRIBUTE:
            self._write_step(reference)
        elif not self._write_attribute(reference.source, reference):
            name = text_of(self._graph, reference.label)
            hidden = segment(self._graph, reference)
            part = hidden if name is None else f".__dict__[{name!r}]"
            self._write(part, reference.target)

    def _write_carried(self, reference: Reference) -> bool:
        """Write what a context or a threading.local carries as its own entry."""
        graph = self._graph
        type_name = graph.type_name(reference.source)
        if type_name in CONTEXT_TYPES or type_name == THREAD_LOCAL:
            self._carrier = (reference.source, len(self._segments))
            self._carrier_is_python = self._is_python
            return False
        carrier, before = self._carrier
        key = context_key(graph, reference)
        if key is not None and graph.type_name(carrier) in CONTEXT_TYPES:
            self._take_back(len(self._segments) - before)
            self._write(context_step(graph, carrier, key), reference.target)
            return True
        is_table = len(self._segments) == before + 1 and graph.type_name(carrier) == THREAD_LOCAL
        thread = local_thread(graph, reference) if is_table else None
        if thread is not None:
            self._take_back(1)
            self._suffix = f" (thread {thread})"
            self._namespace_owner, self._is_python = carrier, self._carrier_is_python
            return True
        if not is_context_tree(graph, reference.source):
            self._carrier = (0, 0)
        return False

    def _enter_loop(self, loop: int) -> None:
        """Begin again at an event loop that only a library holds, or that has no name."""
        if self._is_python and not self._is_of_loop and self._namespace_owner is None:
            return
        self._begin(loop_opening(self._graph, loop))
        self._is_python = True

    def _begin(self, prefix: str) -> None:
        """Forget what was written: it goes on behind a prefix."""
        self._prefix, self._head, self._suffix = prefix, "", ""
        self._segments.clear()
        self._ends.clear()
        self._left_out = 0
        self._names_follow = self._head_is_namespace = self._is_of_loop = False
        self._namespace_owner = None
        self._dotted = ""
        self._carrier = (0, 0)

    def _write_step(self, reference: Reference) -> None:
        """Write a reference that Python follows with more than a name or a key, or a plain one."""
        graph, source = self._graph, reference.source
        part = None
        if reference.kind is EdgeKind.INDEX:
            name = tuple_field(graph, source, reference.label)
            part = None if name is None else f".{name}"
        elif reference.kind in (EdgeKind.MEMBER, EdgeKind.KEY):
            position = listed_position(graph, reference)
            part = None if position is None else f"list({_WRAPPED})[{position}]"
        elif reference.kind is EdgeKind.STACK:
            part = self._awaited(reference)
        elif reference.kind is EdgeKind.FIELD:
            part = self._captured(reference)
        self._write(segment(graph, reference) if part is None else part, reference.target)

    def _awaited(self, reference: Reference) -> str | None:
        """`.cr_await`, in place of the frame object that has the stack up to 3.10."""
        owner, previous = reference.source, self._previous
        by_frame = self._graph.type_name(owner) == "frame" and previous is not None
        if by_frame and previous is not None and self._segments:
            owner = previous.source
        name = AWAITED_ATTRIBUTES.get(self._graph.type_name(owner))
        # Others may stand at a plain yield, with an iterator on their stack.
        if (
            self._graph.type_name(owner) != "coroutine"
            or awaited_target(self._graph, owner) != reference.target
        ):
            return None
        if by_frame:
            if self._segments[-1] != f".{FRAME_ATTRIBUTES[self._graph.type_name(owner)]}":
                return None
            self._take_back(1)
        return f".{name}"

    def _captured(self, reference: Reference) -> str | None:
        """A variable of a closure by its name, in place of `.__closure__[0].cell_contents`."""
        if self._segments[-2:-1] != [".__closure__"] or self._function is None:
            return None
        if label_text(self._graph, reference) != "cell_contents":
            return None
        names = captured_names(self._graph, self._function)
        position = int(self._segments[-1].strip("[]"))
        if position >= len(names) or names[position] is None:
            return None
        self._take_back(2)
        return f"inspect.getclosurevars({_WRAPPED}).nonlocals[{names[position]!r}]"

    def _take_back(self, count: int) -> None:
        """Forget the last segments: one takes their place."""
        kept = len(self._segments) - count
        del self._segments[kept:], self._ends[kept:]

    def _write_local(self, reference: Reference) -> None:
        """A variable of a suspended function, by what holds the function where Python says that."""
        type_name = self._graph.type_name(reference.source)
        name = label_text(self._graph, reference) or UNKNOWN
        if not self._is_python or self._task is not None or name.startswith(("<", UNKNOWN)):
            self._restart(reference, name)
            return
        frame = "" if type_name == "frame" else f".{FRAME_ATTRIBUTES[type_name]}"
        self._write(f"{frame}.f_locals[{name!r}]", reference.target)
        self._is_variable = True

    def _follow_task(self, reference: Reference) -> None:
        """Remember whose task it is, as long as functions wait for functions."""
        graph = self._graph
        if not is_suspended(graph, reference.target) or reference.kind is EdgeKind.LOCAL:
            self._task = None
        elif graph.type_name(reference.source) in TASK_TYPES:
            self._task = reference.source
        elif not is_suspended(graph, reference.source):
            self._task = None
        if label_text(graph, reference) == "__closure__":
            self._function = reference.source

    def _write_attribute(self, owner: int, reference: Reference) -> bool:
        """Write `.name` for an entry of a namespace, if that is what `.name` means in Python."""
        if reference.kind not in (EdgeKind.VALUE, EdgeKind.ATTRIBUTE):
            return False
        name = text_of(self._graph, reference.label)
        if name is None or not is_attribute_name(name) or name in _RESERVED_NAMES:
            return False
        # A built-in class makes the text of __doc__ anew each time; a descriptor what it likes.
        is_of_class = self._graph.flags[owner] & ObjectFlags.IS_TYPE
        is_computed = self._graph.type_name(reference.target) in _UNBINDING_TYPES or (
            is_of_class and (name == "__doc__" or has_python_get(self._graph, reference.target))
        )
        if is_computed:
            return False
        # A slot or a C field of the same name would win over the dict.
        if direct_attribute_targets(self._graph, owner, name) - {reference.target}:
            return False
        dotted = f"{self._dotted}.{name}" if self._dotted else ""
        if self._names.modules.get(dotted, [reference.target]) != [reference.target]:
            return False  # that would read as the module of this name
        self._write(f".{name}", reference.target)
        return True

    def _restart(self, reference: Reference, name: str) -> None:
        """Begin again at a local variable of a suspended function: nothing before it is Python."""
        self._begin(suspended_opening(self._graph, reference.source, self._task))
        self._head = name if is_attribute_name(name) else f"<{name}>"
        self._is_python = self._is_variable = True
