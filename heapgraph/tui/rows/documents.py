"""Rows of a JSON document as a list."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heapgraph.tui.cells import Column, Row, safe
from heapgraph.tui.places import Inspect, Named, ObjectSet, Place
from heapgraph.units import Unit, format_count, format_number, word_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.results import Units

_WORDED = "value"
"""The column of named values, which are texts already."""

_AMOUNT = re.compile(r"-?\d[\d,.]*( \S+)?")
_TEXT_COLUMNS = 5
_SHOWN_PARTS = 4
_SHOWN_FIRST = (Unit.BYTES, Unit.SHARE)


def units_below(units: Units, key: str) -> Units:
    """Units of the rows, or of the named values, in one part of a document."""
    below = units.get(key)
    return {} if below is None or isinstance(below, Unit) else below


def text_of_value(value: Any, unit: Unit | Units | None = None) -> str:  # noqa: ANN401 - any part of a document
    """A value for people, by its unit and type."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        # An id stands in a column of ids, and Enter leads to its object.
        is_id = unit is Unit.OBJECT_ID
        return str(value) if is_id else format_number(value, _own_unit(unit))
    if isinstance(value, dict):
        return _dict_text(value, unit)
    if isinstance(value, list):
        return _list_text(value, unit)
    return safe(str(value))


def _own_unit(unit: Unit | Units | None) -> Unit | None:
    return unit if isinstance(unit, Unit) else None


def _list_text(value: list[Any], unit: Unit | Units | None) -> str:
    """The parts of a list; of a list of rows, which unfolds, how many there are."""
    if not value or isinstance(value[0], dict):
        return format_count(len(value))
    shown = ", ".join(text_of_value(part, unit) for part in value[:_SHOWN_PARTS])
    return shown if len(value) <= _SHOWN_PARTS else f"{shown}, ..."


def _dict_text(value: dict[str, Any], unit: Unit | Units | None) -> str:
    """An object or a path by its name, anything else by its parts."""
    units = {} if unit is None or isinstance(unit, Unit) else unit
    if (word := word_of(value, units)) is not None:
        return safe(word)
    named = [key for key in value if units.get(key) is Unit.EXPRESSION] or ["name"]
    if isinstance(name := value.get(named[0]), str):
        return safe(name)
    parts = list(value.items())[:_SHOWN_PARTS]
    return ", ".join(f"{safe(key)} {text_of_value(part, units.get(key))}" for key, part in parts)


def scalar_facts(document: dict[str, Any], units: Units) -> list[tuple[str, str]]:
    """The values of a document that are not lists."""
    return [
        (key.replace("_", " "), text_of_value(value, units.get(key)))
        for key, value in document.items()
        if not isinstance(value, list | dict)
    ]


def named_values(values: dict[str, Any], units: Units) -> list[dict[str, Any]]:
    """Named values as rows, each worded by its own unit."""
    return [
        {"name": name, _WORDED: text_of_value(value, units.get(name))}
        for name, value in values.items()
    ]


class DocumentTable:
    """Rows of a list of the document, each with a cell for each key.

    Args:
        name: key of the list in the document.
        rows: dicts with the same keys.
        units: of their values.
    """

    def __init__(self, name: str, rows: list[dict[str, Any]], units: Units) -> None:
        """Choose the columns by the first rows."""
        self.key = name
        self.title = name.replace("_", " ")
        self.cursor = 0
        self.left_out = 0
        self._rows = rows
        self._units = units
        self._keys = _ordered_keys(rows[0], units)
        self.columns: Sequence[Column] = _columns(self._keys, rows, units)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def row(self, index: int) -> Row:
        """One row."""
        data = self._rows[index]
        place = _place_of(data, self._units)
        object_id = place.object_id if isinstance(place, Inspect) else None
        set_text = place.text if isinstance(place, ObjectSet) else None
        detail = "; ".join(
            f"{key.replace('_', ' ')}: {text_of_value(value, self._units.get(key))}"
            for key, value in _by_worth(data)
        )
        cells = tuple(text_of_value(data.get(key), self._units.get(key)) for key in self._keys)
        return Row(cells, place, object_id, set_text, detail=detail)


def _is_rows(value: Any) -> bool:  # noqa: ANN401 - any part of a document
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _ordered_keys(row: dict[str, Any], units: Units) -> list[str]:
    """Columns: sizes and shares, then numbers and names; no parts that only say the name again."""
    is_named = any(units.get(key) is Unit.EXPRESSION for key in row)
    keys = [
        key
        for key, value in row.items()
        if not _is_rows(value) and not (is_named and _says_the_name(value, units.get(key)))
    ]
    first = [key for key in keys if units.get(key) in _SHOWN_FIRST]
    texts = [key for key in keys if key not in first]
    return first + texts[:_TEXT_COLUMNS]


def _says_the_name(value: Any, unit: Unit | Units | None) -> bool:  # noqa: ANN401 - any part of a document
    """Whether a part of a row is about the object that the row names already."""
    return isinstance(value, dict) and word_of(value, unit) is None


def _columns(keys: list[str], rows: list[dict[str, Any]], units: Units) -> list[Column]:
    """Columns of which at least one takes what is left."""
    columns = [_column(key, rows, units.get(key)) for key in keys]
    if columns and all(column.width for column in columns):
        texts = [n for n, column in enumerate(columns) if column.align == "left"]
        place = texts[0] if texts else len(columns) - 1
        columns[place] = replace(columns[place], width=0, rank=0)
    return columns


def _column(key: str, rows: list[dict[str, Any]], unit: Unit | Units | None) -> Column:
    """A column as wide as its first rows need; the one or two longest take what is left."""
    sample = [len(text_of_value(row.get(key), unit)) for row in rows[:50]]
    longest = max([len(key), *sample])
    title = key.replace("_", " ")
    values = [row.get(key) for row in rows[:50]]
    is_number = all(value is None or isinstance(value, int | float) for value in values)
    is_number = is_number or (
        key == _WORDED and all(_AMOUNT.fullmatch(str(value)) for value in values)
    )
    if is_number and not all(value is None for value in values):
        rank = 0 if unit is Unit.BYTES else 3
        return Column(title, max(6, longest), align="right", rank=rank)
    if longest <= 14:  # noqa: PLR2004 - short words keep a column of their own
        return Column(title, longest, rank=4)
    if unit is Unit.EXPRESSION:
        return Column(title, keep="end", weight=2)
    return Column(title)


def _place_of(row: dict[str, Any], units: Units) -> Place | None:
    """What Enter opens on a row: its object, the end of its path, or the objects of its type."""
    for key in _of_unit(units, Unit.OBJECT_ID):
        if isinstance(row.get(key), int):
            return Inspect(row[key])
    for key, value in row.items():
        below = units_below(units, key)
        if isinstance(value, dict) and (place := _place_of_part(value, below)) is not None:
            return place
    for key in _of_unit(units, Unit.EXPRESSION):
        names = row.get(key)
        first = names[0] if isinstance(names, list) and names else names
        if isinstance(first, str):
            return Named(first)
    for key in _of_unit(units, Unit.TYPE):
        if isinstance(row.get(key), str):
            return ObjectSet(f"type:{row[key]}")
    return None


def _place_of_part(part: dict[str, Any], units: Units) -> Place | None:
    """The object that a part of a row is, or the last one of its rows."""
    for key in _of_unit(units, Unit.OBJECT_ID):
        if isinstance(part.get(key), int):
            return Inspect(part[key])
    for key, value in part.items():
        if _is_rows(value):
            return _place_of(value[-1], units_below(units, key))
    return None


def _of_unit(units: Units, unit: Unit) -> list[str]:
    return [key for key, found in units.items() if found is unit]


def _by_worth(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """Parts of a row, the longest text first: that is what people came to read."""
    parts = [(key, value) for key, value in row.items() if not _is_rows(value)]
    return sorted(parts, key=lambda part: -len(part[1]) if isinstance(part[1], str) else 0)
