"""Views as queries: what `heapgraph sql` has to be asked for the rows of a page."""

from __future__ import annotations

_ORDERS = {
    "retained": "retained_size desc, id",
    "shallow": "shallow_size desc, id",
    "address": "address",
}
_OBJECTS = "select id, type, value, retained_size, shallow_size from {source} order by {order}"
_TYPES = (
    "select type, count(*) as objects, sum(shallow_size) as shallow_size"
    " from {source} group by type order by shallow_size desc, type"
)
_ROOTS = (
    "select objects.id, min(roots.name) as name, objects.type, objects.retained_size"
    " from roots join objects on objects.id = roots.target where roots.kind = {kind}"
    " group by all order by objects.retained_size desc, objects.id"
)
_OR_TYPE = " or id in (select id from instances({pattern}))"


def roots_query(kind: str) -> str:
    """What the roots of one kind keep alive, the largest first."""
    return _ROOTS.format(kind=_quoted(kind))


def set_query(text: str, order: str = "retained") -> str:
    """The objects that a search finds, in the order of their page."""
    return _OBJECTS.format(source=_source(text), order=_ORDERS[order])


def types_query(text: str) -> str:
    """The types of the objects that a search finds."""
    return _TYPES.format(source=_source(text))


def _source(text: str) -> str:
    """The objects that a search finds, as search.py finds them."""
    if text.startswith("type:"):
        return f"instances({_quoted(text.removeprefix('type:'))})"
    wanted = text.removeprefix("value:")
    by_value = f"objects where contains(lower(value), lower({_quoted(wanted)}))"
    if text.startswith("value:"):
        return by_value
    return by_value + _OR_TYPE.format(pattern=_quoted(f"*{wanted}*"))


def _quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
