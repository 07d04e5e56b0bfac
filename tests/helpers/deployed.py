"""The files of `deploy/`, read as those who run them would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNIT = DEPLOY / "systemd" / "heapgraph.service"
RECIPE = DEPLOY / "container" / "Dockerfile"
IMAGE = "heapgraph:latest"


def documents(manifest: Path) -> list[dict[str, Any]]:
    """All documents of a manifest."""
    return list(yaml.safe_load_all(manifest.read_text()))


def pod_of(manifest: Path) -> dict[str, Any]:
    """The pod that a manifest describes, its own or one of a set."""
    for document in documents(manifest):
        if document["kind"] == "Pod":
            return dict(document["spec"])
        if document["kind"] == "DaemonSet":
            return dict(document["spec"]["template"]["spec"])
    raise AssertionError(f"{manifest} has no pod")


def daemon_of(manifest: Path) -> dict[str, Any]:
    """The container of the daemon."""
    containers = pod_of(manifest)["containers"]
    return dict(next(one for one in containers if one["image"] == IMAGE))


def settings_of(manifest: Path) -> str:
    """The settings that it mounts."""
    maps = [one for one in documents(manifest) if one["kind"] == "ConfigMap"]
    (text,) = [one["data"]["heapgraph.toml"] for one in maps]
    return str(text)


def unit_lines() -> dict[str, list[str]]:
    """The assignments of the systemd unit, by key."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, there, value = line.partition("=")
        if there and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found
