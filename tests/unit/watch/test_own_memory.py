"""In what environment a program starts that takes a census."""

from __future__ import annotations

import pytest

from heapgraph.watch.census.own_memory import with_large_pages

NAME = "GLIBC_TUNABLES"
LARGE = "glibc.malloc.hugetlb=1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, LARGE),
        ({NAME: ""}, LARGE),
        ({NAME: "glibc.malloc.arena_max=2"}, f"glibc.malloc.arena_max=2:{LARGE}"),
        ({NAME: "glibc.malloc.hugetlb=0"}, "glibc.malloc.hugetlb=0"),
    ],
)
def test_what_somebody_has_set_stays(before: dict[str, str], after: str):
    environment = with_large_pages({"PATH": "/bin", **before})
    assert environment == {"PATH": "/bin", NAME: after}
