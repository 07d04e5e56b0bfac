"""Objects as rows: sizes, a bar, a name. Many pages list objects this way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.tui.cells import Bar, Column, Indented, Row, safe
from heapgraph.tui.places import Inspect
from heapgraph.units import format_share, format_size

if TYPE_CHECKING:
    from heapgraph.tui.state import Session

RETAINED = Column("retained", 9, align="right")
SHARE = Column("share", 6, align="right", rank=2)
BAR = Column("", 10, rank=3)
SHALLOW = Column("shallow", 9, align="right", rank=5)
TYPE = Column("type", 22, keep="end", rank=4)
NAME = Column("name", keep="end", weight=2)
OBJECT_COLUMNS = (RETAINED, SHARE, BAR, NAME, TYPE, SHALLOW)
GROWTH = Column("growth", 12)
HOLDER_COLUMNS = (RETAINED, SHARE, replace(BAR, rank=5), GROWTH, NAME, TYPE, SHALLOW)
"""Of lists with a container in them; where it is narrow, what grows says more than a bar."""


def object_cells_row(
    session: Session,
    object_id: int,
    *,
    name: str | None = None,
    lead: str = "",
    retained: int | None = None,
    raw: bool = False,
    with_growth: bool = False,
) -> Row:
    """One object as a row of OBJECT_COLUMNS; Enter opens it.

    Args:
        session: what is open.
        object_id: the object.
        name: what to call it here; its own name by default.
        lead: what stands before the name, where there is one.
        retained: its retained size where that is known already.
        raw: sizes without a folded `__dict__`.
        with_growth: as a row of HOLDER_COLUMNS; says what is known, and judges nothing.
    """
    graph = session.graph
    full_name = session.names.of(object_id)
    if raw:
        shallow = int(graph.shallow_sizes[object_id])
        retained = int(graph.dominators.retained_sizes[object_id])
        native = graph.native_shares.retained_by(object_id)
    else:
        shallow = graph.folded.shallow_size(object_id)
        native = graph.folded.native_size(object_id)
        if retained is None:
            retained = graph.folded.retained_size(object_id)
    share = share_of_heap(graph, retained)
    type_name = safe(graph.type_name(object_id))
    cells = (
        sizes_text(retained, native),
        format_share(share),
        Bar(share),
        *((session.growth.word(object_id),) if with_growth else ()),
        full_name if name is None else name if not lead else Indented(lead, name),
        type_name,
        format_size(shallow),
    )
    detail = f"{full_name}  {type_name}  @{object_id}"
    if graph.preview(object_id) is not None:
        detail = f"{detail}  {session.names.value(object_id)}"
    if native:
        detail = f"{detail}  {native_detail(retained, native)}"
    growth = session.growth.of(object_id) if with_growth else None
    if growth is not None:
        detail = f"{detail}  {growth.sentence}"
    return Row(cells, Inspect(object_id), object_id, style=mark(session, object_id), detail=detail)


def sizes_text(objects: int, native: int) -> str:
    """What goes with an object, for a cell; "~" where memory of C code makes it an estimate.

    Args:
        objects: bytes of objects, which are exact.
        native: bytes of C code; a tenth of the others is left out.
    """
    return f"~{format_size(objects + native)}" if 10 * native > objects else format_size(objects)


def estimate_text(native: int) -> str:
    """Bytes of C code alone, for a cell; nothing where there are none."""
    return f"~{format_size(native)}" if native else ""


def native_detail(objects: int, native: int) -> str:
    """The same in words."""
    return f"objects {format_size(objects)}, native memory {format_size(native)} (estimate)"


def retained_text(session: Session, object_id: int) -> str:
    """What an object retains; of a `__dict__`, what its owner does."""
    return format_size(session.graph.folded.shown_retained_size(object_id))


def mark(session: Session, object_id: int) -> Literal["", "marked"]:
    """The style of a row about an object: members of the selection stand out."""
    return "marked" if session.is_selected(object_id) else ""
