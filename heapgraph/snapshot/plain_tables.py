"""Tables in memory without pyarrow: numbers as numpy arrays, texts as the bytes that were read.

A capture makes these. Who writes a file has them made Arrow tables (`arrow_tables`); a census asks
them as they are, and so never loads pyarrow, which takes 34 MB and a tenth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.snapshot.schema import STRING, TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

Array: TypeAlias = npt.NDArray[Any]


class Texts(Protocol):
    """A column of texts, None in a row without one."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __getitem__(self, row: int, /) -> str | None:
        """One of them."""

    def to_pylist(self) -> list[str | None]:
        """All of them."""

    def as_arrow(self) -> pa.Array | pa.ChunkedArray:
        """The same for pyarrow, which is loaded for it."""


class TextList:
    """A few texts.

    Args:
        texts: a lone surrogate, which no UTF-8 can hold, becomes its escape.
    """

    def __init__(self, texts: Sequence[str | None]) -> None:
        """Keep them as they will be in a file."""
        self._texts = [None if text is None else _as_utf8(text) for text in texts]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._texts)

    def __getitem__(self, row: int) -> str | None:
        """One of them."""
        return self._texts[row]

    def to_pylist(self) -> list[str | None]:
        """All of them."""
        return [*self._texts]

    def as_arrow(self) -> pa.Array:
        """As an Arrow array."""
        from heapgraph.snapshot.arrow_arrays import text_array  # noqa: PLC0415 - for files only

        return text_array(self._texts)


class PackedTexts:
    """Texts as pieces of one run of bytes; several rows may have the same piece.

    Args:
        data: uint8, UTF-8.
        starts: int64[n], where the text of each row begins.
        sizes: int64[n], its bytes.
    """

    def __init__(self, data: Array, starts: Array, sizes: Array) -> None:
        """Keep the arrays."""
        self._data = data
        self._starts = starts
        self.sizes = sizes

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.sizes)

    def __getitem__(self, row: int) -> str:
        """One of them."""
        start = int(self._starts[row])
        return self._data[start : start + int(self.sizes[row])].tobytes().decode(errors="replace")

    def take(self, rows: Array) -> PackedTexts:
        """The texts of some rows; no text is copied."""
        return PackedTexts(self._data, self._starts[rows], self.sizes[rows])

    def to_pylist(self) -> list[str | None]:
        """All of them; a text that several rows have is one object."""
        data = self._data.tobytes()
        known: dict[tuple[int, int], str] = {}
        texts: list[str | None] = []
        for piece in zip(self._starts.tolist(), self.sizes.tolist(), strict=True):
            if (text := known.get(piece)) is None:
                text = known[piece] = data[piece[0] : sum(piece)].decode(errors="replace")
            texts.append(text)
        return texts

    def as_arrow(self) -> pa.Array:
        """As an Arrow array."""
        from heapgraph.snapshot.arrow_arrays import text_array  # noqa: PLC0415 - for files only

        return text_array(self.to_pylist())


class PlainTable:
    """One table of the schema.

    Args:
        columns: all of them, equally long, in the order of the schema.
    """

    def __init__(self, columns: dict[str, Array | Texts]) -> None:
        """Keep them."""
        self.columns = columns
        self.num_rows = len(next(iter(columns.values())))

    @property
    def column_names(self) -> list[str]:
        """In the order of the schema."""
        return [*self.columns]

    def column(self, name: str) -> Any:  # noqa: ANN401 - who asks knows the schema
        """A column: an array of numbers, or `Texts`."""
        return self.columns[name]

    def without(self, *names: str) -> PlainTable:
        """The same rows without some columns."""
        return PlainTable({each: self.columns[each] for each in self.columns if each not in names})

    def to_pylist(self) -> list[dict[str, Any]]:
        """The rows, each with all columns. For small tables."""
        lists = (
            values.tolist() if isinstance(values, np.ndarray) else values.to_pylist()
            for values in self.columns.values()
        )
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*lists, strict=True)]


def plain_table(
    name: str, columns: Mapping[str, Array | Texts | Sequence[Any]], *, narrow: bool = False
) -> PlainTable:
    """Make a table of the file from its columns.

    Args:
        name: a table of `TABLES`.
        columns: one of equal length per column of the schema; arrays of its dtype are not copied.
        narrow: leave unsigned numbers that are narrower as they are: who writes or asks widens
            them.

    Raises:
        KeyError: a column of the schema is missing.
        ValueError: a column is unknown, of another length, or holds a value its type cannot.
    """
    types = TABLES[name].types
    if unknown := set(columns) - set(types):
        raise ValueError(f"table {name} has no column {', '.join(sorted(unknown))}")
    made = {each: _column(columns[each], kind, narrow=narrow) for each, kind in types.items()}
    lengths = {len(values) for values in made.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of table {name} have {min(lengths)} and {max(lengths)} rows")
    return PlainTable(made)


def plain_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> PlainTable:
    """Make a table of the file from row dicts, each with every column of the schema.

    Raises:
        KeyError: a row lacks a column.
    """
    return plain_table(name, {each: [row[each] for row in rows] for each in TABLES[name].types})


def numpy_array(numbers: Any) -> Array:  # noqa: ANN401 - Arrow publishes no types
    """A column of numbers or truth values as an array, whoever holds it.

    Raises:
        ValueError: there are nulls.
    """
    if isinstance(numbers, np.ndarray):
        return numbers
    from heapgraph.snapshot import arrow_arrays  # noqa: PLC0415 - for tables of files only

    return arrow_arrays.numpy_array(numbers)


def text_at(texts: Any, row: int) -> str | None:  # noqa: ANN401 - Arrow publishes no types
    """One text of a column, whoever holds it."""
    found = texts[row]
    return found if found is None or isinstance(found, str) else found.as_py()


def texts_at(texts: Any, rows: Array) -> list[str | None]:  # noqa: ANN401 - as above
    """Texts of many rows of a column, whoever holds it. Cost: 0.1 us each of Arrow's, else 1 us."""
    if hasattr(texts, "as_arrow"):
        return [texts[row] for row in rows.tolist()]
    from heapgraph.snapshot.arrow_arrays import take  # noqa: PLC0415 - for tables of files only

    found: list[str | None] = take(texts, rows).to_pylist()
    return found


def _column(values: Any, kind: str, *, narrow: bool) -> Array | Texts:  # noqa: ANN401
    if kind == STRING:
        texts: Texts = values if hasattr(values, "as_arrow") else TextList([*values])
        return texts
    dtype = np.dtype(kind)
    if not isinstance(values, np.ndarray):
        try:
            return np.array(values, dtype)
        except (OverflowError, TypeError) as error:
            raise ValueError(f"{kind} cannot hold them: {error}") from error
    if values.dtype == dtype or (narrow and values.dtype.kind == "u"):
        return np.ascontiguousarray(values)
    cast = values.astype(dtype)
    if not np.array_equal(cast, values):
        raise ValueError(f"{kind} cannot hold all of these numbers")
    return cast


def _as_utf8(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
