"""Whether the files that settings name can be used here: told before an alert needs them.

They may be mounted later, or belong to another machine: settings that name them make sense all the
same. Addresses and keys are read anew for every message, so that a file can be mended meanwhile.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from heapgraph.errors import failures_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.errors import HeapgraphError
    from heapgraph.watch.settings.model import ActionSpec, WatchSettings


def problems_of_files(settings: WatchSettings) -> list[HeapgraphError]:
    """What is wrong with addresses and keys of webhooks, and with what the endpoint believes.

    Args:
        settings: checked ones.

    Returns:
        An error for each file that this user cannot use, with its path; no secret is in it.

    Cost: some ms; loads the HTTP client or server where the settings have a webhook or an endpoint.
    """
    problems = problems_of_webhooks(settings.actions)
    if settings.http.listen:
        from heapgraph.watch.http.listening import problems_of_endpoint  # noqa: PLC0415

        problems += problems_of_endpoint(settings.http)
    return problems


def problems_of_webhooks(actions: Sequence[ActionSpec]) -> list[HeapgraphError]:
    """The same of webhooks alone.

    Args:
        actions: of the settings.
    """
    webhooks = [one for one in actions if one.kind == "webhook"]
    if not webhooks:
        return []
    from heapgraph.watch.actions.webhook import read_address, read_key  # noqa: PLC0415

    return failures_of(
        partial(read, action) for action in webhooks for read in (read_address, read_key)
    )
