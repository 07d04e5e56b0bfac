"""What one run of the suite measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.stress.checkouts import start_freezer

if TYPE_CHECKING:
    from benchmarks.stress.checkouts import Checkout


@dataclass(frozen=True)
class Options:
    """What is measured.

    Attributes:
        kinds: patterns of kinds, separated by commas; "" for all.
        methods: by the name of each checkout, those that are tried.
        freezes: for each kind and method.
        kills: for each kind of kill, state and method.
        dumps: of the target that prints, by each method.
        python: the interpreter of the targets.
        checkouts: this one, and the one it is compared with.
        size_mib: of the large target.
    """

    kinds: str
    methods: dict[str, list[str]]
    freezes: int
    kills: int
    dumps: int
    python: str
    checkouts: tuple[Checkout, ...]
    size_mib: int


def methods_of(checkout: Checkout, wanted: list[str]) -> list[str]:
    """Those of the wanted methods that a checkout knows; all but "auto" when none is wanted."""
    with start_freezer(checkout) as freezer:
        known = freezer.methods()
    return [name for name in wanted or known if name in known or name == "auto"]
