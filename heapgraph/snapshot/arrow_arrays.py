"""Arrow arrays of numbers and texts, made and read without pyarrow's own conversions.

Those look for pandas first, and import it where it is installed: half a second for every command,
and some 60 MB, for nothing. And methods of arrays that compute (`take`, `cast`) import
pyarrow.compute, which takes another 70 ms; `take`, `cast` and `compute` here do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

try:
    from pyarrow._compute import CastOptions, TakeOptions, call_function
except ImportError:  # its public home, which writes 300 functions when it is imported: 70 ms
    from pyarrow.compute import CastOptions, TakeOptions, call_function

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Values: TypeAlias = Any
    """pa.Array or pa.ChunkedArray, which publish no types."""


def arrow_array(numbers: npt.NDArray[Any]) -> pa.Array:
    """Integers or truth values as an Arrow array.

    Integers are not copied: their memory must not change any more.
    """
    data = np.ascontiguousarray(numbers)
    if data.dtype == np.bool_:
        return pa.Array.from_buffers(pa.bool_(), len(data), [None, _bits(data)])
    kind = pa.from_numpy_dtype(data.dtype)
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])


def text_array(texts: Sequence[str | None]) -> pa.StringArray:
    """Texts as an Arrow array; a lone surrogate, which no UTF-8 can hold, becomes its escape."""
    encoded = [b"" if text is None else text.encode("utf-8", "backslashreplace") for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(data) for data in encoded], out=offsets[1:])
    present = np.array([text is not None for text in texts], np.bool_)
    validity = None if present.all() else _bits(present)
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def text_sizes(texts: pa.StringArray) -> npt.NDArray[np.int64]:
    """int64[n]: bytes of each text in UTF-8; 0 where there is none."""
    offsets = np.frombuffer(texts.buffers()[1] or b"", np.int32)
    here = offsets[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    return np.diff(here) if len(texts) else np.empty(0, np.int64)


def in_one_piece(values: Values) -> pa.Array:
    """The values as one array; copied only where there are several chunks.

    `combine_chunks` copies a single chunk as well.
    """
    if not isinstance(values, pa.ChunkedArray):
        return values
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def numpy_array(numbers: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Integers or truth values without nulls as a numpy array.

    Integers in one chunk are not copied, and read-only.

    Raises:
        ValueError: there are nulls.
    """
    numbers = in_one_piece(numbers)
    if numbers.null_count:
        raise ValueError(f"{numbers.null_count} of {len(numbers)} values are null")
    if pa.types.is_boolean(numbers.type):
        data = np.frombuffer(numbers.buffers()[1] or b"", np.uint8)
        bits = np.unpackbits(data, bitorder="little")[numbers.offset :]
        return bits[: len(numbers)].view(np.bool_)
    dtype = np.dtype(str(numbers.type))
    if not len(numbers):
        return np.empty(0, dtype)
    return np.frombuffer(numbers.buffers()[1], dtype, len(numbers), numbers.offset * dtype.itemsize)


def _bits(values: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def compute(function: str, *values: Values) -> Any:  # noqa: ANN401 - whatever the function returns
    """What a function of Arrow, named as in its documentation, makes of arrays."""
    return call_function(function, list(values))


def take(values: Values, rows: npt.NDArray[Any]) -> Values:
    """The values of some rows, each of which there must be, in their order."""
    return call_function("take", [values, arrow_array(rows)], TakeOptions(boundscheck=True))


def cast(values: Values, data_type: pa.DataType) -> Values:
    """The values as another type.

    Raises:
        pa.ArrowInvalid: one does not fit.
    """
    if values.type == data_type:
        return values
    return call_function("cast", [values], CastOptions.safe(data_type))


def with_zeros(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with every column of a schema: those of numbers that it does not have are zeros."""
    for place, field in enumerate(schema):
        if field.name not in table.schema.names:
            zeros = pa.array(np.zeros(table.num_rows, str(field.type)))
            table = table.add_column(place, field, zeros)
    return table


def cast_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the types of a schema that has the same names.

    Raises:
        ValueError: the names are others, or there are nulls where the schema has none.
        pa.ArrowInvalid: a value does not fit.
    """
    if table.schema.names != schema.names:
        raise ValueError(f"columns {table.schema.names}, expected {schema.names}")
    for values, field in zip(table.columns, schema, strict=True):
        if values.null_count and not field.nullable:
            raise ValueError(f"{values.null_count} values of {field.name} are null")
    columns = [
        cast(values, field.type) for values, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)
