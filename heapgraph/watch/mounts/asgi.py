"""For ASGI on asyncio: `app = mount(app, socket="/run/heapgraph.sock", allow=is_operator)`."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from heapgraph.watch.mounts.proxy import PREFIX, Proxy, checked_hook, path_behind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def mount(
    application: Application | None,
    *,
    socket: str,
    allow: Callable[[Scope], object],
    prefix: str = PREFIX,
    **limits: Any,  # noqa: ANN401 - of `Proxy`
) -> Application:
    """An application that answers below a prefix with what the daemon says, and else passes on.

    Args:
        application: of the service; None where a framework has mounted this below the prefix.
        socket: path of the daemon's socket.
        allow: called with the scope of each request below the prefix; may be a coroutine function.
            Returns "status", "names" or "profiles" for what the caller may see, True for "status",
            None or False to refuse.
        prefix: of paths.
        limits: `daemon_uid`, `timeout_s`, `max_bytes`, `at_once` of `Proxy`.

    Raises:
        TypeError: `allow` is no function.

    Cost: a thread of asyncio's pool for the time of a request; the loop goes on.
    """
    checked_hook(allow)
    proxy = Proxy(socket, **limits)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        inner = _inner_path(prefix, scope)
        if inner is None:
            if application is None:
                raise RuntimeError(f"heapgraph answers HTTP below {prefix} only")
            await application(scope, receive, send)
            return
        granted = allow(scope)
        if inspect.isawaitable(granted):
            granted = await granted
        method = scope["method"]
        pairs = scope.get("headers", ())
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
        query = scope.get("query_string", b"").decode("latin-1")
        found = await asyncio.to_thread(proxy.ask, method, inner, query, headers, granted)
        sent = found.headers_for(method)
        await send(
            {
                "type": "http.response.start",
                "status": found.status,
                "headers": [(name.lower().encode(), value.encode()) for name, value in sent],
            }
        )
        body = b"" if method == "HEAD" else found.body
        await send({"type": "http.response.body", "body": body})

    return answer


def _inner_path(prefix: str, scope: Scope) -> str | None:
    """The path behind the prefix; of a mount, behind the path of that. None: not for us."""
    if scope["type"] != "http":
        return None
    path, root = scope["path"], scope.get("root_path", "")
    inner = path_behind(prefix, path)
    if inner is None and root.endswith(prefix):
        inner = path_behind(root, path)
        return path if inner is None else inner
    return inner
