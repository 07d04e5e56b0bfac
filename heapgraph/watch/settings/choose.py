"""The settings of one run: those of a file, or built-in ones, with what the command line says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from heapgraph.errors import UsageError
from heapgraph.watch.settings.group_paths import wanted_group
from heapgraph.watch.settings.load import load_settings
from heapgraph.watch.settings.model import (
    Growth,
    RuleSpec,
    StoreSpec,
    TargetSpec,
    WatchSettings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILT_IN_RULES = (
    RuleSpec(
        "near-limit",
        metric="cgroup_ratio",
        above=0.8,
        times=3,
        at_most=3,
        do=("snapshot", "report"),
    ),
    RuleSpec(
        "still-growing",
        holder="*",
        grows=Growth(censuses=3, bytes=10 * 2**20),
        at_most=3,
        do=("snapshot", "report"),
    ),
)
"""Without a file: before the limit is reached, and when a holder grew in three censuses."""


def choose_settings(
    config: Path | None, target: TargetSpec | None, listen: str | None
) -> WatchSettings:
    """The settings of a run of `heapgraph watch`.

    Args:
        config: the file; None for the built-in rules and a store in the user's own folder.
        target: of the command line, besides those of the file.
        listen: address of the command line, in place of that of the file.

    Raises:
        SettingsUnusable: the file makes no sense.
        UsageError: there is nothing to watch, a control group cannot be one on this machine, or
            the address needs settings.
    """
    targets: Sequence[TargetSpec] = () if target is None else (target,)
    if config is None:
        if target is None:
            raise UsageError(
                "nothing to watch is named",
                "neither a process nor settings were given",
                "heapgraph watch PID, or heapgraph watch --config FILE",
            )
        folder = Path(platformdirs.user_state_dir("heapgraph")) / "watch"
        settings = WatchSettings(
            targets=tuple(targets), store=StoreSpec(path=folder), rules=BUILT_IN_RULES
        )
    else:
        settings = load_settings(config, targets)
    for one in settings.targets:
        if one.cgroup:
            wanted_group(one.cgroup)
    if listen is None:
        return settings
    return replace(settings, http=replace(settings.http, listen=listen))
