"""What the boxes and the title of a picture say, in lines that are not absurdly long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.literals import literal
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.export.drawing import Box, Line, Look, Role
from heapgraph.export.text_room import cut_end, cut_middle, cut_start, wrapped
from heapgraph.model import NO_ROW, ROOT_KIND_NAMES, RootKind
from heapgraph.safe_text import cell_text
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from heapgraph.export.gathering import Gathering
    from heapgraph.graph.heap_graph import HeapGraph

_BOX_CELLS = 40
_LABEL_CELLS = 32
_TITLE_CELLS, _MAX_LINES = 64, 3
"""Lines of a picture, in characters of a monospaced font; names that are longer are cut there and
whole in the tooltip of their box."""

_NOTHING = "(no name)"


def object_box(
    graph: HeapGraph, object_id: int, *, is_goal: bool, gathering: Gathering | None
) -> Box:
    """The box of an object: type, value, sizes, and what gathers in it."""
    name = expression(graph, object_id)
    retained = graph.folded.shown_retained_size(object_id)
    shallow = format_size(graph.folded.shallow_size(object_id))
    lines = [_line(_kind_text(graph, object_id, name), Role.NAME)]
    if value := _value(graph, object_id):
        lines.append(Line(cut_end(cell_text(value), _BOX_CELLS), Role.PLAIN))
    lines.append(_line(f"{format_size(retained)} retained, {_share(graph, retained)}", Role.PLAIN))
    if gathering is not None:
        lines.append(_line(f"holds {_content_text(gathering)}", Role.NAME))
    lines.append(_line(f"{shallow} itself, @{object_id}", Role.NOTE))
    look = Look.GOAL if is_goal else Look.PLAIN if gathering is None else Look.GATHERING
    return Box(tuple(lines), look, name)


def root_box(graph: HeapGraph, row: int) -> Box:
    """The box of a root: its kind and its name."""
    root = graph.roots.row(row)
    kind = ROOT_KIND_NAMES[root.kind]
    lines = [_line(f"{kind} {root.name}".strip(), Role.NAME)]
    if root.frame != NO_ROW:
        lines += _wrapped(root_names(graph).frame_text(root.frame), Role.PLAIN, _BOX_CELLS)
    if root.kind is RootKind.C_HELD:
        text = f"{format_count(root.count)} references that only C code holds"
        lines.append(_line(text, Role.PLAIN))
    return Box(tuple(lines), Look.ROOT, root.name or kind)


def gap_box(text: str) -> Box:
    """The box that stands for objects left out."""
    return Box((_line(text, Role.PLAIN),), Look.GAP, text)


def arrow_label(text: str) -> Line:
    """What is written beside an arrow; it may be nothing."""
    return Line(cut_middle(cell_text(text), _LABEL_CELLS), Role.PLAIN)


def title(
    graph: HeapGraph, object_id: int, caption: str, gathering: Gathering | None
) -> tuple[Line, ...]:
    """What a picture is of: the object, what goes with it, where on its way objects gather.

    Args:
        graph: the snapshot.
        object_id: the object.
        caption: what the arrows say of it.
        gathering: the object itself, or one on the way to it; None for neither.
    """
    retained = graph.folded.shown_retained_size(object_id)
    facts = f"{format_size(retained)} retained, {_share(graph, retained)} of the heap"
    if count := _retained_objects(graph, object_id):
        facts += f", {format_count(count)} object{'' if count == 1 else 's'}"
    lines = [*_wrapped(expression(graph, object_id), Role.TITLE), *_wrapped(facts, Role.PLAIN)]
    if gathering is None:
        return (*lines, Line(caption, Role.NOTE))
    content = _wrapped(f"holds {_content_text(gathering)}", Role.NAME)
    if gathering.object_id == graph.folded.owner_of(object_id):
        return (*lines, *content, Line(caption, Role.NOTE))
    size = graph.folded.retained_size(gathering.object_id)
    lines += [Line(caption, Role.NOTE), Line("", Role.NOTE)]
    lines += _wrapped(f"through {expression(graph, gathering.object_id)}", Role.NAME)
    lines += _wrapped(
        f"{format_size(size)} retained, {_share(graph, size)} of the heap", Role.PLAIN
    )
    return (*lines, *content)


def _line(text: str, role: Role) -> Line:
    """A line of a box; of a longer text the end, which in names of types says more."""
    return Line(cut_start(cell_text(text), _BOX_CELLS) or _NOTHING, role)


def _wrapped(text: str, role: Role, limit: int = _TITLE_CELLS) -> list[Line]:
    return [Line(part, role) for part in wrapped(cell_text(text), limit, _MAX_LINES)]


def _kind_text(graph: HeapGraph, object_id: int, name: str) -> str:
    """The type; of a module, which one it is."""
    type_name = graph.type_name(object_id)
    return f"module {name}" if type_name == "module" and not name.startswith("<") else type_name


def _content_text(gathering: Gathering) -> str:
    return f"{format_count(gathering.count)} of {gathering.type_name}"


def _share(graph: HeapGraph, size: int) -> str:
    return format_share(share_of_heap(graph, size))


def _retained_objects(graph: HeapGraph, object_id: int) -> int:
    """How many objects go with one, with itself and its folded dicts."""
    tree = graph.dominators
    tops = tree.topmost(graph.folded.parts_of(graph.folded.owner_of(object_id)))
    return sum(len(tree.dominated(int(top))) for top in tops)


def _value(graph: HeapGraph, object_id: int) -> str:
    """What was kept of the value."""
    return literal(graph, object_id) or graph.preview(object_id) or ""
