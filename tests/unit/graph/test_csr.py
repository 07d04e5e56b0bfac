"""Rows of one key and of many, against plain loops."""

from __future__ import annotations

import random

import numpy as np
import pytest

from heapgraph.graph.csr import rows_of, rows_of_many


def test_the_rows_of_a_key_are_a_slice():
    offsets = np.array([0, 2, 2, 5], np.uint64)
    assert [rows_of(offsets, key) for key in range(3)] == [slice(0, 2), slice(2, 2), slice(2, 5)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_the_rows_of_many_keys_follow_one_another(seed, dtype):
    rng = random.Random(seed)
    lengths = [rng.choice((0, 0, 1, 2, 7)) for _ in range(rng.randrange(1, 30))]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(dtype)
    keys = np.array([rng.randrange(len(lengths)) for _ in range(rng.randrange(40))], np.uint32)
    place, rows = rows_of_many(offsets, keys)
    expected = [
        (number, row)
        for number, key in enumerate(keys.tolist())
        for row in range(int(offsets[key]), int(offsets[key + 1]))
    ]
    assert list(zip(place.tolist(), rows.tolist(), strict=True)) == expected
    assert rows.dtype == np.int64
