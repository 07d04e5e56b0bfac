"""Kinds of programs and builds of CPython that take turns, where every pair would be too many.

    @pytest.mark.parametrize(("kind", "interpreter"), by_turns(KINDS, share=2))
    def test_something(kind: str, interpreter: Interpreter) -> None: ...

With HEAPGRAPH_EXHAUSTIVE=1 every kind runs on every build.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from helpers.interpreters import each_interpreter, is_exhaustive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.mark.structures import ParameterSet


def in_turn(kinds: Iterable[Any]) -> list[ParameterSet]:
    """Parameters (kind, Interpreter): each kind on one build after the other."""
    if is_exhaustive():
        return by_turns(kinds, share=1)
    return [_pair(*pair) for pair in zip(kinds, cycle(each_interpreter()), strict=False)]


def by_turns(kinds: Iterable[Any], share: int) -> list[ParameterSet]:
    """Parameters (kind, Interpreter): on each build one kind in `share`, beginning with another.

    So each kind runs on one build in `share`, and, where there are as many kinds, each build runs
    some.
    """
    step = 1 if is_exhaustive() else share
    kinds = tuple(kinds)  # they may come one by one, and each build asks for all
    return [
        _pair(kind, build)
        for row, build in enumerate(each_interpreter())
        for number, kind in enumerate(kinds)
        if (row + number) % step == 0
    ]


def every_other_build(first: int) -> list[ParameterSet]:
    """Parameters, each an Interpreter: one in two builds from the `first` on, 0 or 1.

    For a test whose neighbour, which asks for something near to it, takes the others.
    """
    builds = each_interpreter()
    return builds if is_exhaustive() else builds[first::2]


def _pair(kind: Any, build: ParameterSet) -> ParameterSet:
    name = kind[-1] if isinstance(kind, tuple) else getattr(kind, "name", kind)
    return pytest.param(kind, *build.values, id=f"{name}-{build.id}", marks=build.marks)
