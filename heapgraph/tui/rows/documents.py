"""Rows of a JSON document as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.tui.cells import Column, Row, safe
from heapgraph.tui.places import Inspect, Named, ObjectSet, Place
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE_WORDS = frozenset({"size", "sizes", "bytes", "rss"})
_SHARE_NAMES = frozenset({"share"})
_PLAIN_NUMBERS = frozenset(
    {"id", "pid", "line", "depth", "thread_id", "native_id", "address", "start", "end", "owner"}
)
_ID_NAMES = ("id", "object_id", "object", "target", "source", "idom")
_NOT_OBJECTS = frozenset({"thread_id", "function", "basicsize", "permissions"})
"""Columns of the SQL tables of threads, frames, types and mappings, which have ids of their own."""

_TEXT_COLUMNS = 5
_SHOWN_PARTS = 4


def is_size(name: str) -> bool:
    """Whether a number of this name is in bytes."""
    return not _SIZE_WORDS.isdisjoint(name.split("_"))


def text_of_value(name: str, value: Any) -> str:  # noqa: ANN401 - any part of a document
    """A value for people, by its name and type."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number_text(name, value)
    if isinstance(value, dict):
        return _dict_text(value)
    if isinstance(value, list):
        return _list_text(name, value)
    return safe(str(value))


def _number_text(name: str, value: float) -> str:
    if name in _SHARE_NAMES:
        return format_share(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if name == "address":
        return f"{value:#x}"
    if is_size(name):
        return format_size(value)
    return str(value) if name in _PLAIN_NUMBERS else format_count(value)


def _list_text(name: str, value: list[Any]) -> str:
    """The parts of a list; of a list of rows, which unfolds, how many there are."""
    if not value or isinstance(value[0], dict):
        return format_count(len(value))
    shown = ", ".join(text_of_value(name, part) for part in value[:_SHOWN_PARTS])
    return shown if len(value) <= _SHOWN_PARTS else f"{shown}, ..."


def _dict_text(value: dict[str, Any]) -> str:
    """An object or a path by its name, anything else by its parts."""
    for key in ("expression", "name"):
        if isinstance(value.get(key), str):
            return safe(value[key])
    parts = list(value.items())[:_SHOWN_PARTS]
    return ", ".join(f"{safe(key)} {text_of_value(key, part)}" for key, part in parts)


def scalar_facts(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The values of a document that are not lists."""
    return [
        (key.replace("_", " "), text_of_value(key, value))
        for key, value in document.items()
        if not isinstance(value, list | dict)
    ]


class DocumentTable:
    """Rows of a list of the document, each with a cell for each key.

    Args:
        name: key of the list in the document.
        rows: dicts with the same keys.
    """

    def __init__(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Choose the columns by the first rows."""
        self.title = name.replace("_", " ")
        self.cursor = 0
        self.left_out = 0
        self._rows = rows
        self._keys = _ordered_keys(rows[0])
        self.columns: Sequence[Column] = _columns(self._keys, rows)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def row(self, index: int) -> Row:
        """One row."""
        data = self._rows[index]
        place = _place_of(data)
        object_id = place.object_id if isinstance(place, Inspect) else None
        set_text = place.text if isinstance(place, ObjectSet) else None
        detail = "; ".join(
            f"{key.replace('_', ' ')}: {text_of_value(key, value)}"
            for key, value in _by_worth(data)
        )
        cells = tuple(text_of_value(key, data.get(key)) for key in self._keys)
        return Row(cells, place, object_id, set_text, detail=detail)


def _is_rows(value: Any) -> bool:  # noqa: ANN401 - any part of a document
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _ordered_keys(row: dict[str, Any]) -> list[str]:
    """Columns: sizes and shares, then numbers and names; no parts that only say the name again."""
    is_named = "expression" in row
    keys = [
        key
        for key, value in row.items()
        if not _is_rows(value) and not (is_named and isinstance(value, dict))
    ]
    first = [key for key in keys if is_size(key) or key in _SHARE_NAMES]
    texts = [key for key in keys if key not in first]
    return first + texts[:_TEXT_COLUMNS]


def _columns(keys: list[str], rows: list[dict[str, Any]]) -> list[Column]:
    """Columns of which at least one takes what is left."""
    columns = [_column(key, rows) for key in keys]
    if columns and all(column.width for column in columns):
        texts = [n for n, column in enumerate(columns) if column.align == "left"]
        place = texts[0] if texts else len(columns) - 1
        columns[place] = Column(columns[place].title)
    return columns


def _column(key: str, rows: list[dict[str, Any]]) -> Column:
    """A column as wide as its first rows need; the one or two longest take what is left."""
    sample = [len(text_of_value(key, row.get(key))) for row in rows[:50]]
    longest = max([len(key), *sample])
    title = key.replace("_", " ")
    values = [row.get(key) for row in rows[:50]]
    is_number = all(value is None or isinstance(value, int | float) for value in values)
    if is_number and not all(value is None for value in values):
        return Column(title, max(6, longest), align="right", rank=0 if is_size(key) else 3)
    if longest <= 14:  # noqa: PLR2004 - short words keep a column of their own
        return Column(title, longest, rank=4)
    if key == "expression":
        return Column(title, keep="end", weight=2)
    return Column(title)


def _place_of(row: dict[str, Any]) -> Place | None:
    """What Enter opens on a row: its object, the end of its path, or the objects of its type."""
    for key in _ID_NAMES if _NOT_OBJECTS.isdisjoint(row) else ():
        value = row.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return Inspect(value)
    for value in row.values():
        if isinstance(value, dict) and isinstance(value.get("id"), int):
            return Inspect(value["id"])
        if isinstance(value, dict) and _is_rows(value.get("steps")):
            return _place_of(value["steps"][-1])
    for key in ("expression", "holder", "owner"):
        if isinstance(row.get(key), str):
            return Named(row[key])
    if isinstance(row.get("type"), str):
        return ObjectSet(f"type:{row['type']}")
    owners = row.get("owners")
    return Named(owners[0]) if isinstance(owners, list) and owners else None


def _by_worth(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """Parts of a row, the longest text first: that is what people came to read."""
    parts = [(key, value) for key, value in row.items() if not _is_rows(value)]
    return sorted(parts, key=lambda part: -len(part[1]) if isinstance(part[1], str) else 0)
