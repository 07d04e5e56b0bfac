"""For WSGI: `application = mount(application, socket="/run/heapgraph.sock", allow=is_operator)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.watch.mounts.proxy import PREFIX, Proxy, checked_hook, path_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Environ = dict[str, Any]
    Start = Callable[..., Any]
    Application = Callable[[Environ, Start], Iterable[bytes]]


def mount(
    application: Application | None,
    *,
    socket: str,
    allow: Callable[[Environ], object],
    prefix: str = PREFIX,
    **limits: Any,  # noqa: ANN401 - of `Proxy`
) -> Application:
    """An application that answers below a prefix with what the daemon says, and else passes on.

    Args:
        application: of the service; None where a framework has mounted this below the prefix.
        socket: path of the daemon's socket.
        allow: called with the environ of each request below the prefix. Returns "status", "names"
            or "profiles" for what the caller may see, True for "status", None or False to refuse.
        prefix: of paths.
        limits: `daemon_uid`, `timeout_s`, `max_bytes`, `at_once` of `Proxy`.

    Raises:
        TypeError: `allow` is no function.
    """
    checked_hook(allow)
    proxy = Proxy(socket, **limits)

    def answer(environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        inner = path_behind(prefix, path)
        if inner is None and application is not None:
            return application(environ, start)
        method = environ.get("REQUEST_METHOD", "")
        found = proxy.ask(
            method,
            path if inner is None else inner,
            environ.get("QUERY_STRING", ""),
            _headers(environ),
            allow(environ),
        )
        start(found.line, found.headers_for(method))
        return [b"" if method == "HEAD" else found.body]

    return answer


def _headers(environ: Environ) -> list[tuple[str, str]]:
    return [
        (name[5:].replace("_", "-").lower(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
