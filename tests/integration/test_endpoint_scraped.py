"""`go tool pprof` takes a profile from the endpoint, with a token as its password."""

from __future__ import annotations

import time

from heapgraph.export.pprof import write_pprof
from heapgraph.watch.http.served import Profile
from heapgraph.watch.http.tokens import new_token
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.app_heap import graph_of, items, module, set_global
from helpers.endpoint import InMemory, running
from helpers.go_pprof import needs_go, top
from helpers.heaps import HeapBuilder


def write_profile(path, count: int):
    """A profile of a heap in which `app.USERS` has so many users."""
    heap = HeapBuilder()
    module(heap, "app", "/srv/app.py")
    users = heap.object("list", size=10_000)
    set_global(heap, "app", "USERS", users)
    items(heap, users, *(heap.object("app.User", size=1000) for _ in range(count)))
    with path.open("wb") as file:
        write_pprof(graph_of(heap), file, min_size=1)
    return path


@needs_go
def test_go_tool_pprof_takes_profiles_and_their_difference(tmp_path):
    token, line = new_token("profiles")
    tokens = tmp_path / "tokens"
    tokens.write_text(line)
    now = time.monotonic()
    kept = [
        Profile(write_profile(tmp_path / "new.pb.gz", 30), now - 5),
        Profile(write_profile(tmp_path / "old.pb.gz", 10), now - 100),
    ]
    spec = HttpSpec("127.0.0.1:0", EXPOSURES, tokens)
    with running(spec, tmp_path, InMemory(kept=kept)) as endpoint:
        address = f"http://heapgraph:{token}@{endpoint.where}/debug/pprof/heap"
        held = {row.name: row.cum for row in top(address, home=tmp_path)}
        added = {row.name: row.cum for row in top(f"{address}?seconds=60", home=tmp_path)}
    assert held["app.USERS"] == 10_000 + 30 * 1000
    assert added["app.USERS"] == 20 * 1000
