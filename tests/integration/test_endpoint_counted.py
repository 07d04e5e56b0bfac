"""Of each target one worker is counted: what the endpoint says of that one, and of the others."""

from __future__ import annotations

import time

from heapgraph.watch.http.served import Profile
from heapgraph.watch.model import WorkerName
from heapgraph.watch.settings.model import EXPOSURES, HttpSpec
from helpers.endpoint import WEB, InMemory, census_of, running


def test_the_worker_that_is_counted_stands_for_its_target(tmp_path):
    file = tmp_path / "0.pb.gz"
    file.write_bytes(b"a profile")
    now = time.monotonic()
    served = InMemory(last_census=census_of(WEB, now), kept=[Profile(file, now)])
    served.workers = (WorkerName("jobs", 0), WEB, WorkerName("web", 1))
    with running(HttpSpec(f"unix:{tmp_path}/socket", EXPOSURES), tmp_path, served) as endpoint:
        index = endpoint.get("/debug/pprof/").body.decode()
        assert [line for line in index.splitlines() if "worker=" in line] == [
            "/debug/pprof/heap?worker=web/0"
        ]
        assert endpoint.get("/debug/pprof/heap?worker=web").status == 200
        other = endpoint.get("/debug/pprof/heap?worker=web/1")
        assert other.status == 503
        assert "web/0" in other.document["detail"]
        assert "?worker=web/0" in other.document["next"]
        census = endpoint.get("/v1/targets/web/1/census")
        assert (census.status, census.document["next"]) == (503, "GET /v1/targets/web/0/census")
        none = endpoint.get("/v1/targets/jobs/0/census")
        assert none.status == 503
        assert "Retry-After" in none.document["next"]
