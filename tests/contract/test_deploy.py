"""What `deploy/` says is true of this heapgraph: options, settings, folders, rights.

What only a cluster or a container runtime could show is not here; docs/watch.md says so.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from heapgraph.cli.watching.watch import watch_command
from heapgraph.watch.settings.load import settings_of as checked
from heapgraph.watch.settings.model import StoreSpec
from helpers.cli import invoke
from helpers.deployed import (
    DEPLOY,
    MANIFESTS,
    RECIPE,
    daemon_of,
    documents,
    pod_of,
    settings_of,
    unit_lines,
)

ROOT = DEPLOY.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STORE = StoreSpec().path
DOCKERFILE = RECIPE.read_text()


def options_of(command: list[str]) -> dict[str, object]:
    """What the options of a command line mean to `heapgraph watch`; it fails on an unknown one."""
    name, *options = command
    assert name == "watch"
    return watch_command.make_context(name, list(options)).params


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
class TestManifest:
    def test_its_documents_have_kinds_and_names(self, manifest: Path):
        for document in documents(manifest):
            assert {"apiVersion", "kind", "metadata"} <= document.keys()
            assert re.fullmatch(r"[a-z0-9-]+", document["metadata"]["name"])

    def test_the_daemon_gets_options_that_exist_and_settings_that_are_mounted(self, manifest: Path):
        daemon = daemon_of(manifest)
        command = daemon.get("args") or json.loads(re.findall(r"CMD (.*)", DOCKERFILE)[0])
        config = options_of(command)["config"]
        places = {Path(one["mountPath"]) for one in daemon["volumeMounts"]}
        assert config in places or config.parent in places  # type: ignore[union-attr]

    def test_its_settings_are_whole_and_every_folder_is_a_volume(self, manifest: Path):
        problems: list[str] = []
        text = settings_of(manifest)
        settings = checked(tomllib.loads(text), Path("/etc"), problems)
        assert problems == []
        places = [Path(one["mountPath"]) for one in daemon_of(manifest)["volumeMounts"]]
        files = [settings.store.path, settings.audit.path or settings.store.path]
        files += [one.url_file for one in settings.actions if one.url_file]
        files += [one.secret_file for one in settings.actions if one.secret_file]
        for file in files:
            assert any(file.is_relative_to(place) for place in places), file

    def test_volumes_are_there_for_all_mounts(self, manifest: Path):
        pod = pod_of(manifest)
        volumes = {one["name"] for one in pod["volumes"]}
        containers = [*pod["containers"], *pod.get("initContainers", [])]
        mounted = {each["name"] for one in containers for each in one.get("volumeMounts", [])}
        assert mounted == volumes

    def test_no_rule_is_about_a_group_that_the_container_cannot_see(self, manifest: Path):
        """Given a container of its own, the groups of the others are out of its sight."""
        settings = checked(tomllib.loads(settings_of(manifest)), Path("/etc"), [])
        assert settings.rules
        for rule in settings.rules:
            assert not rule.metric.startswith(("cgroup", "psi", "seconds_to_limit"))
            assert not rule.event.startswith(("cgroup", "psi"))

    def test_it_has_the_rights_that_it_explains_and_no_more(self, manifest: Path):
        rights = {"daemonset": {"SYS_PTRACE", "DAC_READ_SEARCH"}, "sidecar": set()}
        context = daemon_of(manifest)["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert not context.get("privileged")
        assert context["capabilities"]["drop"] == ["ALL"]
        added = set(context["capabilities"].get("add", ()))
        assert added == rights[manifest.stem]
        comment = manifest.read_text().partition("apiVersion")[0]
        assert all(name in comment for name in added)
        assert pod_of(manifest)["automountServiceAccountToken"] is False


def test_the_recipe_installs_what_the_project_offers():
    extras = re.findall(r"\$\{wheel\}\[(\w+)\]", DOCKERFILE)
    assert extras == ["watch"]
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    bases = re.findall(r"^FROM python:(\d+)\.(\d+)", DOCKERFILE, re.MULTILINE)
    oldest = tuple(map(int, re.findall(r"\d+", PROJECT["requires-python"])))
    assert len(bases) == 2
    assert all((int(major), int(minor)) >= oldest for major, minor in bases)
    (entry,) = re.findall(r"ENTRYPOINT (.*)", DOCKERFILE)
    assert set(json.loads(entry)) <= PROJECT["scripts"].keys()


def test_the_recipe_gives_the_daemon_its_folders_and_the_settings_of_its_comment():
    (command,) = re.findall(r"^CMD (.*)", DOCKERFILE, re.MULTILINE)
    config = options_of(json.loads(command))["config"]
    (volumes,) = re.findall(r"^VOLUME (.*)", DOCKERFILE, re.MULTILINE)
    assert str(STORE) in json.loads(volumes)
    for volume in json.loads(volumes):
        assert f" {volume}" in DOCKERFILE.partition("install -d -m 0700")[2].splitlines()[0]
    comment = DOCKERFILE.partition("FROM")[0]
    assert f":{config}:ro" in comment
    assert set(re.findall(r"--cap-add=(\w+)", comment)) == {"SYS_PTRACE", "DAC_READ_SEARCH"}
    assert "--cap-drop=ALL" in comment


def test_what_was_built_here_does_not_go_into_the_image():
    ignored = RECIPE.with_name("Dockerfile.dockerignore").read_text().split()
    assert {"build", ".venv", ".git", "heapgraph/native/lib"} <= set(ignored)


def test_the_unit_starts_the_daemon_with_its_folders():
    lines = unit_lines()
    (start,) = lines["ExecStart"]
    program, *arguments = shlex.split(start)
    assert Path(program).name in PROJECT["scripts"]
    options_of(arguments)
    assert lines["Type"] == ["notify"]
    assert Path("/var/lib") / lines["StateDirectory"][0] == STORE
    assert lines["StateDirectoryMode"] == lines["LogsDirectoryMode"] == ["0700"]
    comment = (DEPLOY / "systemd/heapgraph.service").read_text().partition("[Unit]")[0]
    for capability in lines["CapabilityBoundingSet"][0].split():
        assert capability in comment


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path):
    """Given the program in its place, `systemd-analyze verify` has nothing to say."""
    text = (DEPLOY / "systemd/heapgraph.service").read_text()
    unit = tmp_path / "heapgraph.service"
    unit.write_text(text.replace("/usr/local/bin/heapgraph", "/bin/true"))
    command = ["systemd-analyze", "--man=no", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_example_of_the_settings_is_one(tmp_path: Path):
    """Given the settings of every manifest, `heapgraph rules check` has nothing to note."""
    for manifest in MANIFESTS:
        file = tmp_path / f"{manifest.stem}.toml"
        file.write_text(settings_of(manifest))
        file.chmod(0o600)
        document = invoke("rules", "check", str(file), "--json").document
        assert (document["valid"], document["notes"]) == (True, [])
