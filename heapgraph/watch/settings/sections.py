"""Reads `[watch]`, `[store]` and `[audit]`, and checks that no name is given twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.watch.settings import readers
from heapgraph.watch.settings.model import AuditSpec, Budget, StoreSpec, TargetSpec
from heapgraph.watch.settings.quantities import BadValue
from heapgraph.watch.settings.tables import first_duplicates, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from heapgraph.watch.settings.model import ActionSpec, RuleSpec
    from heapgraph.watch.settings.tables import Table

MOST_TARGETS = 1000
_DAY_S = 86400.0
_MOST_PID = 2**22
"""The kernel's own limit (PID_MAX_LIMIT on 64 bits)."""

_MOST_SIZE = 2**53
_WAYS = ("pid", "match", "unit", "cgroup")


def read_times(watch: Table) -> tuple[float, float, float, float]:
    """Seconds between two looks, between two censuses, of the warm-up, and until all is told."""
    interval_s = watch.get("interval", readers.duration(0.5, 3600), 5.0)
    census_s = watch.get("census", readers.duration(10, _DAY_S), 900.0)
    warm_up_s = watch.get("warm_up", readers.duration(0, _DAY_S), 120.0)
    tell_within_s = watch.get("tell_within", readers.duration(1, 3600), 30.0)
    if census_s < interval_s:
        watch.wrong("census is shorter than interval; it costs a hundred times as much as a look")
    return interval_s, census_s, warm_up_s, tell_within_s


def read_targets(watch: Table) -> tuple[TargetSpec, ...]:
    """The targets, each with one way in which its processes are found."""
    tables = watch.tables("targets", MOST_TARGETS, lambda title: f"[watch] target {title}")
    return tuple(_read_target(table) for table in tables)


def _read_target(table: Table) -> TargetSpec:
    target = TargetSpec(
        name=table.require("name", readers.name, ""),
        pid=table.get("pid", readers.whole(1, _MOST_PID), 0),
        match=table.get("match", readers.text, ""),
        unit=table.get("unit", unit_name, ""),
        cgroup=table.get("cgroup", group_place, ""),
    )
    there = [key for key in _WAYS if key in table]
    if not there:
        table.wrong("pid, match, unit or cgroup is missing: which processes are meant")
    elif len(there) > 1:
        table.wrong(f"{' and '.join(there)}: exactly one of them says which processes are meant")
    table.finish()
    return target


def unit_name(value: object) -> str:
    """The name of a systemd unit."""
    unit = readers.text(value)
    if "/" in unit or " " in unit or len(unit) > 255:  # noqa: PLR2004 - of systemd
        raise BadValue('a unit is named like "web.service"')
    return unit


def group_place(value: object) -> str:
    """Where a control group is, in one of the ways that `settings.group_paths` knows."""
    group = readers.text(value)
    if ".." in group.split("/"):
        raise BadValue('a folder below /sys/fs/cgroup, or a path, is expected, without ".."')
    return group


def read_budget(watch: Table) -> Budget:
    """What the daemon may cost."""
    table = watch.table("budget", "[watch] budget")
    budget = Budget(
        max_pause_ms=table.get("max_pause", readers.duration(0.001, 10), 0.05) * 1000,
        cpu=table.get("cpu", readers.share(0.0001, 1), 0.02),
        headroom=table.get("headroom", readers.share(0, 0.95), 0.15),
        at_once=table.get("at_once", readers.whole(1, 16), 1),
    )
    table.finish()
    return budget


def read_store(store: Table, folder: Path) -> StoreSpec:
    """Where snapshots go; a path that does not begin with / is meant from `folder`."""
    default = StoreSpec()
    limits = store.table("limits", "[store] limits")
    spec = StoreSpec(
        path=store.get("path", readers.path_in(folder), default.path),
        files=limits.get("files", readers.whole(1, 100_000), default.files),
        bytes=limits.get("bytes", readers.size(2**20, _MOST_SIZE), default.bytes),
        keep_free=limits.get("keep_free", readers.share(0, 0.95), default.keep_free),
        per_rampup=limits.get("per_rampup", readers.whole(1, 1000), default.per_rampup),
        redact=store.get("redact", readers.flag, default.redact),
    )
    limits.finish()
    store.finish()
    return spec


def read_audit(audit: Table, folder: Path) -> AuditSpec:
    """The audit log."""
    default = AuditSpec()
    spec = AuditSpec(
        path=audit.get("path", readers.path_in(folder), None),
        keep_s=audit.get("keep", readers.duration(_DAY_S, 3660 * _DAY_S), default.keep_s),
        required=audit.get("required", readers.flag, default.required),
    )
    if any(key in audit for key in ("keep", "required")) and "path" not in audit:
        audit.wrong("path is missing: the folder of the log")
    audit.finish()
    return spec


def check_names(
    problems: list[str],
    targets: Sequence[TargetSpec],
    rules: Sequence[RuleSpec],
    actions: Sequence[ActionSpec],
) -> None:
    """Note a problem for each name that two have."""
    kinds = (("[watch] target", targets), ("[[rule]]", rules), ("[[action]]", actions))
    for place, ones in kinds:
        problems += [
            f"{place} {shown(name)}: two have this name"
            for name in first_duplicates(one.name for one in ones if one.name)
        ]
