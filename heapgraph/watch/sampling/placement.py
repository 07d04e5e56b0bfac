"""In which container or unit a process runs, by the names of its control groups."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 12
"""Digits of a container's id, as `docker ps` shows it."""

_ID = re.compile(r"(?:^|[-/:])([0-9a-f]{64}|[0-9a-f]{32})(?:\.scope)?$")
_UNIT = re.compile(r"[^/]+\.service$")


class Placement(NamedTuple):
    """Where a process runs; "" where it is in none.

    Attributes:
        container: the first digits of its container's id.
        unit: its systemd unit.
    """

    container: str
    unit: str


def placement(paths: Iterable[str]) -> Placement:
    """Read the names of control groups, as Docker, containerd, CRI-O, Podman and systemd make them.

    Args:
        paths: of the groups of one process, one for each hierarchy.
    """
    container, unit = "", ""
    for path in paths:
        for part in path.split("/"):
            if found := _ID.search(part):
                container = found[1][:_SHOWN]
            elif _UNIT.match(part):
                unit = part
    return Placement(container, unit)
