"""One object: value, sizes, reference count, fields, referrers, dominators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.expressions import resolve
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.analysis.show import reference_account
from heapgraph.tui.cells import safe
from heapgraph.tui.page import Page, PageCommand
from heapgraph.tui.places import Inspect
from heapgraph.tui.rows.reference_tables import dominators, referents, referrers
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.cells import Row
    from heapgraph.tui.places import Named
    from heapgraph.tui.state import Session


def build_inspector(session: Session, place: Inspect, progress: Progress) -> Page:
    """The page of one object."""
    progress("who refers to it", 0, 0)
    object_id = place.object_id
    page = Page(place, session.names.of(object_id), object_id=object_id, keys_mean_page=True)
    session.growth.judge([object_id], progress)
    page.facts = _facts(session, object_id)
    page.left = [referents(session, object_id, raw=False)]
    page.right = [referrers(session, object_id), dominators(session, object_id)]
    is_raw = False

    def toggle_raw(row: Row | None, progress: Progress) -> None:
        nonlocal is_raw
        del row, progress
        is_raw = not is_raw
        page.left = [referents(session, object_id, raw=is_raw)]

    page.commands = {"raw": PageCommand(toggle_raw)}
    return page


def build_named(session: Session, place: Named, progress: Progress) -> Page:
    """The page of the object that a text names.

    Raises:
        ObjectNotFound: it names nothing in this snapshot, or more than one object.
    """
    return build_inspector(session, Inspect(resolve(session.graph, place.text)), progress)


def _facts(session: Session, object_id: int) -> list[tuple[str, str]]:
    graph, folded = session.graph, session.graph.folded
    shallow, retained = folded.shallow_size(object_id), folded.retained_size(object_id)
    type_name = safe(graph.type_name(object_id))
    share = format_share(share_of_heap(graph, retained))
    getsizeof = format_size(int(graph.getsizeof[object_id]))
    sizes = (
        f"retained {format_size(retained)} ({share}), shallow {format_size(shallow)}, "
        f"getsizeof {getsizeof}"
    )
    if native := folded.native_size(object_id):
        sizes += f", native memory {format_size(native)} (estimate)"
    facts = [
        ("object", session.names.of(object_id)),
        ("type", f"{type_name}  @{object_id}  {int(graph.addresses[object_id]):#x}"),
        ("sizes", sizes),
        ("refcount", _account(session, object_id)),
    ]
    if (growth := session.growth.of(object_id)) is not None:
        facts.append(("growth", safe(growth.sentence)))
    if graph.preview(object_id) is not None:
        facts.insert(2, ("value", session.names.value(object_id)))
    return facts


def _account(session: Session, object_id: int) -> str:
    """The reference count as the sum of what was found."""
    account = reference_account(session.graph, object_id)
    parts = [f"{format_count(account.from_objects)} from objects"]
    if account.from_roots:
        parts.append(f"{format_count(account.from_roots)} from roots")
    if account.from_c:
        parts.append(f"{format_count(account.from_c)} from C code")
    return f"{format_count(int(session.graph.refcounts[object_id]))}: {', '.join(parts)}"
