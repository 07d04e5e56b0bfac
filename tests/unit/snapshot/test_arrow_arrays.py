"""Arrow arrays become numpy arrays without a copy wherever they can."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from heapgraph.snapshot.arrow_arrays import in_one_piece, numpy_array

NUMBERS = np.arange(1000, dtype=np.uint64)


def chunked(*parts: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(part) for part in parts])


def test_one_chunk_is_not_copied():
    values = chunked(NUMBERS)
    found = numpy_array(values)
    assert (found == NUMBERS).all()
    assert found.ctypes.data == values.chunk(0).buffers()[1].address


def test_a_slice_of_one_chunk_has_its_own_rows_only():
    found = numpy_array(chunked(NUMBERS).slice(10, 5))
    assert found.tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("parts", [(), (NUMBERS[:0],), (NUMBERS[:3], NUMBERS[3:])])
def test_none_and_several_chunks(parts):
    values = chunked(*parts) if parts else pa.chunked_array([], type=pa.uint64())
    expected = np.concatenate([*parts, NUMBERS[:0]])
    assert numpy_array(values).tolist() == expected.tolist()
    assert in_one_piece(values).to_pylist() == expected.tolist()


def test_nulls_are_refused():
    with pytest.raises(ValueError, match="1 of 2 values are null"):
        numpy_array(pa.chunked_array([pa.array([1, None])]))
