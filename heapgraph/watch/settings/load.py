"""Loads the settings file: bounded, from whom it may be, checked whole, all problems at once."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.errors import SettingsUnusable
from heapgraph.safe_text import begun, printable
from heapgraph.units import format_size
from heapgraph.watch.settings.action_tables import read_action
from heapgraph.watch.settings.http_tables import read_http
from heapgraph.watch.settings.model import WatchSettings
from heapgraph.watch.settings.rule_tables import Surroundings, read_rule
from heapgraph.watch.settings.sections import (
    check_names,
    read_audit,
    read_budget,
    read_store,
    read_targets,
    read_times,
)
from heapgraph.watch.settings.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.settings.model import RuleSpec, TargetSpec

MOST_BYTES = 2**20
"""Of a settings file: a thousand targets with a hundred rules have a tenth of it."""

MOST_RULES = 100
MOST_ACTIONS = 50

MOST_WINDOWS = 8
"""Different windows of rises and slopes together. Each costs 1.5 kB for each process watched, and
2 kB more while the state is saved: 14 MB for 8 of them and 500 processes."""

_MOST_TOLD = 20
"""Problems in the text of one error; `problems` has all."""


def load_settings(
    path: str | os.PathLike[str], targets: Sequence[TargetSpec] = ()
) -> WatchSettings:
    """The settings of a file, every value in its base unit, nothing left to check.

    Args:
        path: a TOML file. Where root reads it, nobody else may be able to write to it.
        targets: further targets, of the command line; rules may name them.

    Raises:
        SettingsUnusable: it cannot be read, or something in it makes no sense: all of that.
    """
    file = Path(path)
    document = _parse(file, _read(file))
    problems: list[str] = []
    settings = settings_of(document, file.absolute().parent, problems, targets)
    if problems:
        raise _unusable(file, problems)
    return settings


def settings_of(
    document: dict[str, object],
    folder: Path,
    problems: list[str],
    targets: Sequence[TargetSpec] = (),
) -> WatchSettings:
    """The settings of a document.

    Args:
        document: what TOML gave.
        folder: paths that do not begin with / are meant from here.
        problems: gets a line for each thing that is wrong; the result is of no use then.
        targets: further targets.
    """
    top = Table(document, "settings", problems)
    watch = top.table("watch", "[watch]")
    interval_s, census_s, warm_up_s, tell_within_s = read_times(watch)
    all_targets = (*targets, *read_targets(watch))
    budget = read_budget(watch)
    watch.finish()
    if not all_targets:
        watch.wrong("targets is missing: nothing would be watched")
    store = read_store(top.table("store", "[store]"), folder)
    actions = tuple(
        read_action(table, folder)
        for table in top.tables("action", MOST_ACTIONS, lambda title: f"[[action]] {title}")
    )
    around = Surroundings(
        tuple(one.name for one in all_targets),
        tuple(one.name for one in actions),
        interval_s,
        census_s,
    )
    rules = tuple(
        read_rule(table, around)
        for table in top.tables("rule", MOST_RULES, lambda title: f"[[rule]] {title}")
    )
    http = read_http(top.table("http", "[http]"), folder)
    audit = read_audit(top.table("audit", "[audit]"), folder)
    top.finish()
    check_names(problems, all_targets, rules, actions)
    _check_windows(problems, rules)
    return WatchSettings(
        all_targets,
        interval_s,
        census_s,
        warm_up_s,
        budget,
        store,
        rules,
        actions,
        http,
        audit,
        tell_within_s,
    )


def _check_windows(problems: list[str], rules: Sequence[RuleSpec]) -> None:
    parts = (
        (rule.metric, part.window_s)
        for rule in rules
        for part in (rule.rise, rule.slope)
        if part is not None
    )
    different = len(set(parts))
    if different > MOST_WINDOWS:
        problems.append(
            f"[[rule]]: {different} different windows of rises and slopes; {MOST_WINDOWS} are the"
            " most, as each costs memory for each process; give rules of one metric the same window"
        )


def _read(file: Path) -> bytes:
    try:
        # Not blocking: a pipe in the place of the file would wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check_file(file, os.fstat(descriptor))
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                content = stream.read(MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsUnusable(
            f"the settings {file} cannot be read: {reason}",
            "the path is wrong, or this user may not read it",
            f"ls -l {shlex.quote(str(file))}",
        ) from error
    if len(content) > MOST_BYTES:
        raise SettingsUnusable(
            f"the settings {file} have more than {format_size(MOST_BYTES)}",
            "this is no settings file, or something writes to it",
            "name the right file",
        )
    return content


def _check_file(file: Path, status: os.stat_result) -> None:
    """Regular, and under root written by root alone: it names programs that will be run."""
    if not stat.S_ISREG(status.st_mode):
        raise SettingsUnusable(
            f"the settings {file} are no regular file",
            "a folder, a pipe or a device has that path",
            "name the file",
        )
    if os.geteuid() != 0:
        return
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode, quoted = stat.filemode(status.st_mode), shlex.quote(str(file))
        raise SettingsUnusable(
            f"the settings {file} are not root's alone: owner {status.st_uid}, mode {mode}",
            "root reads them, and others may write what it will do",
            f"chown root {quoted} && chmod go-w {quoted}",
        )


def _parse(file: Path, content: bytes) -> dict[str, object]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
    except RecursionError:
        reason = "lists or tables are nested too deeply"
    except (ValueError, OverflowError) as error:  # dates and numbers that Python does not have, too
        reason = begun(printable(str(error)), 200)
    raise SettingsUnusable(
        f"the settings {file} are not TOML",
        reason,
        "correct that place; docs/watch-rules.md has an example",
    )


def _unusable(file: Path, problems: Sequence[str]) -> SettingsUnusable:
    told = "; ".join(problems[:_MOST_TOLD])
    more = f"; and {len(problems) - _MOST_TOLD} more" if len(problems) > _MOST_TOLD else ""
    number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return SettingsUnusable(
        f"the settings {file} have {number}",
        told + more,
        f"heapgraph rules check {shlex.quote(str(file))}",
        problems=tuple(problems),
    )
