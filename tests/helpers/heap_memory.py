"""The part of a synthetic snapshot that is about memory: mappings, regions, pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.model import NO_ROW, NativeGrade, NativeKind, RegionKind

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryRows:
    """Rows of the tables maps, regions and pools."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {
            "maps": [],
            "regions": [],
            "pools": [],
            "native": [],
        }

    def mapping(
        self,
        start: int,
        end: int,
        path: str = "",
        *,
        rss: int | None = None,
        pss: int | None = None,
        private_dirty: int | None = None,
        permissions: str = "rw-p",
    ) -> None:
        """Add a row of maps; `rss` defaults to the whole range, all of it private and dirty."""
        resident = end - start if rss is None else rss
        self._rows["maps"].append(
            {
                "start": start,
                "end": end,
                "permissions": permissions,
                "offset": 0,
                "path": path,
                "rss": resident,
                "pss": resident if pss is None else pss,
                "private_dirty": resident if private_dirty is None else private_dirty,
            }
        )

    def region(
        self,
        kind: RegionKind | str,
        start: int,
        end: int,
        *,
        in_use: int | None = None,
        free: int = 0,
        blocks: int = 1,
        resident: int | None = None,
        owner: int = NO_ROW,
    ) -> int:
        """Add a row of regions and return it; by default all of it is in memory and in use."""
        row = len(self._rows["regions"])
        size = end - start if resident is None else resident
        self._rows["regions"].append(
            {
                "start": start,
                "end": end,
                "kind": int(RegionKind[kind.upper()] if isinstance(kind, str) else kind),
                "resident": size,
                "in_use": size if in_use is None else in_use,
                "free": free,
                "blocks": blocks,
                "object": owner,
            }
        )
        return row

    def native(
        self,
        owners: Sequence[int],
        size: int,
        kind: NativeKind = NativeKind.OBJECT,
        *,
        name: str = "",
        blocks: int = 1,
        grade: NativeGrade = NativeGrade.DIRECT,
    ) -> None:
        """Add the rows of one group of native: one for each owner, one where there is none."""
        rows = self._rows["native"]
        group = rows[-1]["group"] + 1 if rows else 0
        for place, owner in enumerate(owners or [NO_ROW]):
            rows.append(
                {
                    "group": group,
                    "object": owner,
                    "bytes": 0 if place else size,
                    "blocks": 0 if place else blocks,
                    "kind": int(kind),
                    "grade": int(grade),
                    "name": name,
                }
            )

    def pool(self, start: int, region: int, block_size: int, used: int, resident: int) -> None:
        """Add a row of pools."""
        self._rows["pools"].append(
            {
                "start": start,
                "region": region,
                "block_size": block_size,
                "used": used,
                "resident": resident,
            }
        )
