"""Rows of a JSON document as a list that unfolds: lists inside rows are lines below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.tui.cells import Bar, Cell, Column, Row, safe
from heapgraph.tui.places import Inspect, Named, ObjectSet, Place
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.tui.state import Session

_SIZE_WORDS = frozenset({"size", "sizes", "bytes", "rss"})
_SHARE_NAMES = frozenset({"share"})
_PLAIN_NUMBERS = frozenset(
    {"id", "pid", "line", "depth", "thread_id", "native_id", "address", "start", "end", "owner"}
)
_ID_NAMES = ("id", "object_id", "object")
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


@dataclass(frozen=True, eq=False)
class DocumentLine:
    """A row of the document at a depth; `name` is that of the list it stands in."""

    data: dict[str, Any]
    depth: int
    name: str


class DocumentTable:
    """Rows as they are unfolded.

    Args:
        session: what is open.
        name: key of the list in the document.
        rows: dicts with the same keys.
    """

    def __init__(self, session: Session, name: str, rows: list[dict[str, Any]]) -> None:
        """Show the first level."""
        self.title = name.replace("_", " ")
        self.cursor = 0
        self.left_out = 0
        self._session = session
        self._keys = _ordered_keys(rows[0])
        self.columns: Sequence[Column] = _columns(self._keys, rows)
        self._lines = [DocumentLine(row, 0, name) for row in rows]
        self._open: set[int] = set()
        self.can_unfold = any(_nested(row) for row in rows)

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def row(self, index: int) -> Row:
        """One line as a row."""
        line = self._lines[index]
        sign = ""
        if self.can_unfold:
            nested = _nested(line.data)
            sign = "▾ " if id(line) in self._open else "▸ " if nested else "  "
        lead = "  " * line.depth + sign
        place = _place_of(line.data)
        object_id = place.object_id if isinstance(place, Inspect) else None
        set_text = place.text if isinstance(place, ObjectSet) else None
        detail = "; ".join(
            f"{key.replace('_', ' ')}: {text_of_value(key, value)}"
            for key, value in _by_worth(line.data)
        )
        return Row(self._cells(line, lead), place, object_id, set_text, detail=detail)

    def _cells(self, line: DocumentLine, lead: str) -> tuple[Cell, ...]:
        if line.depth:
            return self._nested_cells(line, lead)
        cells: list[Cell] = []
        led = False
        for key, column in zip(self._keys, self.columns, strict=True):
            value = line.data.get(key)
            if (
                key in _SHARE_NAMES
                and column.width
                and isinstance(value, float)
                and not column.title
            ):
                cells.append(Bar(value))
                continue
            text = text_of_value(key, value)
            if not led and not column.width:
                text, led = lead + text, True
            cells.append(text)
        return tuple(cells)

    def _nested_cells(self, line: DocumentLine, lead: str) -> tuple[Cell, ...]:
        """A nested row: sizes under sizes, all the rest in the first column that has room."""
        parts = [
            text_of_value(key, value)
            for key, value in line.data.items()
            if value is not None and not is_size(key) and not _is_rows(value)
        ]
        text = lead + "  ".join(parts)
        cells: list[Cell] = []
        for key, column in zip(self._keys, self.columns, strict=True):
            if not column.width and text:
                cells.append(text)
                text = ""
            elif is_size(key) and key in line.data:
                cells.append(text_of_value(key, line.data[key]))
            else:
                cells.append("")
        return tuple(cells)

    def toggle(self, index: int) -> None:
        """Open or close a line."""
        if id(self._lines[index]) in self._open:
            self.close(index)
        else:
            self.open(index)

    def open(self, index: int) -> None:
        """Show the lists inside a row."""
        line = self._lines[index]
        if id(line) in self._open:
            return
        below = [
            DocumentLine(part, line.depth + 1, name)
            for name, rows in _nested(line.data)
            for part in rows
        ]
        if below:
            self._open.add(id(line))
            self._lines[index + 1 : index + 1] = below

    def close(self, index: int) -> None:
        """Hide the lists inside a row; on a closed line go to the line it is inside of."""
        line = self._lines[index]
        if id(line) not in self._open:
            above = index
            while above > 0 and self._lines[above].depth >= line.depth:
                above -= 1
            self.cursor = above if line.depth else index
            return
        end = index + 1
        while end < len(self._lines) and self._lines[end].depth > line.depth:
            self._open.discard(id(self._lines[end]))
            end += 1
        del self._lines[index + 1 : end]
        self._open.discard(id(line))


def _is_rows(value: Any) -> bool:  # noqa: ANN401 - any part of a document
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _nested(row: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The lists of rows inside a row, those of a path's steps too."""
    found = []
    for key, value in row.items():
        if _is_rows(value):
            found.append((key, value))
        elif isinstance(value, dict):
            found.extend(_nested(value))
    return found


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
    """Columns of which at least one takes what is left: unfolded lines need the room."""
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
    for key in _ID_NAMES:
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
