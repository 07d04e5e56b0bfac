"""Reads one table of the settings: takes keys, remembers which exist, collects what is wrong.

Nothing is raised for a bad value: the problem is noted with its place and a default taken, so that
one run tells all that is wrong with a file.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, TypeVar

from heapgraph.safe_text import begun, printable
from heapgraph.watch.settings.quantities import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

_SHOWN = 60
"""Characters of a value or key in a message."""

_MOST_UNKNOWN = 100
"""Unknown keys of one table that are named; of a file that is none of settings all are."""

_SIGN_IN = re.compile(r"(?<=://)[^/\s]*@")
"""Name and password in an address: a message must not have them, wherever they were written."""

_ALIKE = 0.55
"""Of difflib's ratio, from which on a name is offered in place of an unknown one."""


class Table:
    """One table of a TOML file.

    Args:
        values: what TOML gave.
        place: how messages name it: `[[rule]] "near-limit"`.
        problems: gets a line for each thing that is wrong.
    """

    def __init__(self, values: Mapping[str, object], place: str, problems: list[str]) -> None:
        """Keep the values; none has been asked for."""
        self._values = values
        self.place = place
        self.problems = problems
        self._known: dict[str, None] = {}
        self._below: dict[str, Table] = {}

    def __contains__(self, key: str) -> bool:
        """Whether the key is written down."""
        return key in self._values

    @property
    def known_keys(self) -> list[str]:
        """Keys that have been asked for so far."""
        return list(self._known)

    def wrong(self, text: str) -> None:
        """Note a problem of this table."""
        self.problems.append(f"{self.place}: {text}")

    def get(self, key: str, read: Callable[[object], T], default: T, *, is_shown: bool = True) -> T:
        """The value of a key, or the default where it is missing or wrong.

        Args:
            key: its name.
            read: makes the value, or raises BadValue with the reason.
            default: taken otherwise.
            is_shown: whether a message may have the value; not that of what might be a secret.
        """
        self._known[key] = None
        if key not in self._values:
            return default
        value = self._values[key]
        try:
            return read(value)
        except BadValue as error:
            is_one = is_shown and not isinstance(value, list | dict)
            written = f" = {shown(value)}" if is_one else ""
            self.wrong(f"{key}{written}: {error}")
            return default

    def require(
        self, key: str, read: Callable[[object], T], default: T, *, is_shown: bool = True
    ) -> T:
        """The value of a key that must be there."""
        if key not in self._values:
            self.wrong(f"{key} is missing")
        return self.get(key, read, default, is_shown=is_shown)

    def refuse(self, key: str, reason: str) -> None:
        """Note a problem where a key is there that must not be; its value is not shown."""
        self._known[key] = None
        if key in self._values:
            self.wrong(f"{key}: {reason}")

    def table(self, key: str, place: str) -> Table:
        """The table below a key; an empty one where it is missing or no table."""
        self._known[key] = None
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            self.wrong(f"{key} = {shown(value)}: a table is expected")
            value = {}
        below = self._below[key] = Table(value, place, self.problems)
        return below

    def tables(self, key: str, most: int, place: Callable[[str], str]) -> list[Table]:
        """The tables of an array.

        Args:
            key: its name.
            most: a longer array is a problem, and cut.
            place: how messages name a table, from its `name` or its number.
        """
        self._known[key] = None
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.wrong(f"{key}: a list of tables is expected")
            return []
        if len(value) > most:
            self.wrong(f"{key}: {len(value)} of them; {most} are the most")
        return [
            Table(one, place(_title(one, number)), self.problems)
            for number, one in enumerate(value[:most], 1)
        ]

    def finish(self) -> None:
        """Note a problem for each key that nobody asked for."""
        unknown = [key for key in self._values if key not in self._known]
        for key in unknown[:_MOST_UNKNOWN]:
            hint = self._belongs(key) or did_you_mean(key, self._known)
            self.wrong(f"unknown key {shown(key)}{hint}")
        if len(unknown) > _MOST_UNKNOWN:
            self.wrong(f"and {len(unknown) - _MOST_UNKNOWN:,} more unknown keys")

    def _belongs(self, key: str) -> str:
        """What to append to a message about a key of a table below this one."""
        for name, table in self._below.items():
            if key in table.known_keys:
                is_header = table.place.endswith("]")
                return f"; it belongs into {table.place if is_header else f'{name} = {{...}}'}"
        return ""


def shown(value: object) -> str:
    """A value of the file in a message: one line, cut, quotes around text."""
    if isinstance(value, str):
        return f'"{begun(printable(_SIGN_IN.sub("...@", value)), _SHOWN)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        # The digits of a number without end are an error of their own in Python.
        return str(value) if isinstance(value, float) or abs(value) < 10**_SHOWN else "(a number)"
    if isinstance(value, list | dict):
        return "(a list)" if isinstance(value, list) else "(a table)"
    return "(a date or time)"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to append to a message about an unknown name: the nearest known one, or all of few."""
    found = nearest(name, known)
    return f'; did you mean "{found}"?' if found else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another; None when none is."""
    names = list(known)
    wanted = name[:_SHOWN].lower().replace("-", "_")
    starts = [one for one in names if wanted and one.lower().startswith(wanted)]
    if len(starts) == 1:
        return starts[0]
    # The least letters first: of two that are alike, the same one is always offered.
    found = difflib.get_close_matches(wanted, sorted(names), n=1, cutoff=_ALIKE)
    return found[0] if found else None


def first_duplicates(names: Iterable[str]) -> list[str]:
    """Names that come more than once, each once."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)


def _title(values: Mapping[str, object], number: int) -> str:
    name = values.get("name")
    return shown(name) if isinstance(name, str) and name else f"number {number}"
