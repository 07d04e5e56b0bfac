"""What a daemon says of itself when it begins: whom it watches, by which rules, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.watch.settings.model import WatchSettings

_NAMED = 20
"""Names in one line; there may be a thousand targets."""


def first_lines(settings: WatchSettings, *, dry_run: bool) -> Iterator[str]:
    """One line each: targets, rules, store, where it is going to listen.

    Args:
        settings: checked ones.
        dry_run: nothing is written, told or served.
    """
    yield f"watching: {names_in_line([one.name for one in settings.targets])}"
    rules = names_in_line([one.name for one in settings.rules])
    yield f"rules: {rules or 'none, so nothing is done but looks and censuses'}"
    if dry_run:
        yield "store: none in a dry run; nothing is written, told or served"
        return
    audit = settings.audit.path or settings.store.path / "audit"
    yield f"store: {settings.store.path}; audit: {audit}"
    yield f"listen: {settings.http.listen or 'nowhere'}"


def names_in_line(names: list[str]) -> str:
    """Names, of very many the first."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
