"""Settings of a daemon under test: one target, one rule, two looks a second, all in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS = """
[watch]
targets = [{{ name = "web", match = "{marker}" }}{more_targets}]
interval = "500ms"
census = "10s"
warm_up = "{warm_up}"
budget = {{ {budget} }}
{more_watch}
[store]
path = "{folder}/store"
limits = {{ keep_free = 0.0 }}

[[rule]]
name = "too-large"
metric = "rss_bytes"
above = {above}
times = {times}
do = [{do}]

[audit]
path = "{folder}/audit"
"""


def write_private(path: Path, text: str) -> Path:
    """Write a file that nobody else may read."""
    path.write_text(text)
    path.chmod(0o600)
    return path


def write_settings(
    folder: Path,
    marker: str,
    *,
    more: str = "",
    more_targets: str = "",
    more_watch: str = "",
    budget: str = 'max_pause = "500ms", cpu = 0.9',
    warm_up: str = "0s",
    above: int = 2**20,
    times: int = 3,
    do: tuple[str, ...] = ("snapshot",),
) -> Path:
    """Write settings whose rule `too-large` is about resident bytes of the target `web`.

    Args:
        folder: of the settings, the store and the audit log; nobody else may look into it then.
        marker: a text in the command line of the target.
        more: further tables, `{folder}` in them stands for the folder.
        more_targets: further targets, each with a comma in front.
        more_watch: further lines of `[watch]`.
        budget: what stands in the table of that name.
        warm_up: as in the settings.
        above: resident bytes from which on the rule holds.
        times: looks in a row.
        do: what the rule does.
    """
    folder.chmod(0o700)
    text = _SETTINGS.format(
        folder=folder,
        marker=marker,
        more_targets=more_targets,
        more_watch=more_watch,
        budget=budget,
        warm_up=warm_up,
        above=above,
        times=times,
        do=", ".join(f'"{one}"' for one in do),
    )
    return write_private(folder / "heapgraph.toml", text + more.replace("{folder}", str(folder)))


def webhook(name: str, file: str = "url", *more: str) -> str:
    """The table of an action that posts to the address in a file of the folder.

    Args:
        name: of the action.
        file: with the address.
        *more: further lines.
    """
    address = f'url_file = "{{folder}}/{file}"'
    return "\n".join(("", "[[action]]", f'name = "{name}"', 'kind = "webhook"', address, *more, ""))
