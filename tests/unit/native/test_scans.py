"""Passes over columns some rows at a time, against numpy on the whole of them."""

from __future__ import annotations

import numpy as np
import pytest

from heapgraph.model import ITEM_KINDS, EdgeKind, ObjectFlags
from heapgraph.native.scans import (
    STEP,
    are_among,
    chosen,
    has_bits,
    rows_equal,
    rows_where,
    steps,
)

LENGTHS = (0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP + 17)


def random_column(length, dtype, below):
    return np.random.default_rng(length).integers(0, below, length).astype(dtype)


@pytest.mark.parametrize("length", LENGTHS)
def test_steps_cover_every_row_once(length):
    rows = [row for here in steps(length) for row in range(here.start, here.stop)]
    assert rows == list(range(length))


@pytest.mark.parametrize("length", LENGTHS)
def test_rows_are_those_of_the_whole_column(length):
    kinds = random_column(length, np.uint8, 14)
    sizes = random_column(length, np.int64, 5)
    expected = np.flatnonzero(kinds == EdgeKind.WEAK)
    assert rows_equal(kinds, EdgeKind.WEAK).tolist() == expected.tolist()
    found = rows_where(lambda some, others: (some > 3) & (others == 0), kinds, sizes)
    assert found.tolist() == np.flatnonzero((kinds > 3) & (sizes == 0)).tolist()


@pytest.mark.parametrize("length", LENGTHS)
def test_bits_are_looked_for_all_together(length):
    flags = random_column(length, np.uint16, 2**12)
    bits = ObjectFlags.IS_TYPE | ObjectFlags.STATIC
    assert has_bits(flags, bits).tolist() == ((flags & bits) == bits).tolist()


@pytest.mark.parametrize("length", LENGTHS)
def test_ids_keep_their_order(length):
    ids = random_column(length, np.uint32, 1000)
    found = chosen(ids, lambda some: some % 7 == 0)
    assert found.dtype == ids.dtype
    assert found.tolist() == ids[ids % 7 == 0].tolist()


def test_kinds_are_told_from_others():
    kinds = np.arange(256, dtype=np.uint8)
    assert np.flatnonzero(are_among(kinds, ITEM_KINDS)).tolist() == sorted(ITEM_KINDS)
    assert not are_among(kinds, ()).any()
