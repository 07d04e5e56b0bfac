"""Where a process runs is read from the names of its groups."""

from __future__ import annotations

import pytest

from heapgraph.watch.sampling.placement import Placement, placement

ID = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (f"/docker/{ID}", Placement(ID[:12], "")),
        (f"/system.slice/docker-{ID}.scope", Placement(ID[:12], "")),
        (f"/kubepods/burstable/pod3c/{ID}", Placement(ID[:12], "")),
        (
            f"/kubepods.slice/kubepods-pod3.slice/cri-containerd-{ID}.scope",
            Placement(ID[:12], ""),
        ),
        (f"/machine.slice/libpod-{ID}.scope/container", Placement(ID[:12], "")),
        ("/system.slice/web.service", Placement("", "web.service")),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web@3.service",
            Placement("", "web@3.service"),
        ),
        ("/", Placement("", "")),
        ("/user.slice/user-1000.slice/session-3.scope", Placement("", "")),
        (f"/{ID[:20]}", Placement("", "")),
    ],
)
def test_container_and_unit(path: str, where: Placement):
    assert placement(["/", path]) == where
