#!/usr/bin/env python3
"""Fetches the CPythons that this machine lacks, for the tests: nothing is installed.

    python scripts/fetch_interpreters.py [VERSION...]        (3.13 to 3.15 unless named)

The packages of Debian's development distribution are downloaded from the mirror this machine
already uses, with a private apt configuration, and unpacked into `.interpreters/VERSION/` (or the
folder HEAPGRAPH_INTERPRETERS names). They bring their own C library, so the script `python` in that
folder starts them through their own dynamic loader. Needs Debian's apt-get and dpkg-deb, but not
root. Does nothing, at once, when all is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

VERSIONS = ("3.13", "3.14", "3.15")
SUITE = "sid"
SOURCES = Path("/etc/apt")
STEP_LIMIT_S = 600

LIBRARY = re.compile(r"(lib.*(?<!-dev)(?<!-bin)(?<!-extra)|zlib1g)")
"""Packages of shared libraries among those that Python depends on."""

WRAPPER = """\
#!/bin/sh
# Starts this CPython with its own dynamic loader and C library, whatever the machine has.
here=$(cd "${{0%/*}}" && pwd)
PYTHONHOME="$here/usr" exec "$here/{loader}" --inhibit-cache \\
    --library-path "$here/{libraries}" --argv0 "$here/python" "$here/usr/bin/python{version}" "$@"
"""

CHECK = """
import asyncio, concurrent.futures, csv, ctypes, dataclasses, decimal, fractions, http.server
import logging.handlers
import sqlite3, ssl, sys, tracemalloc, unittest.mock, urllib.request, xml.etree.ElementTree
print('%d.%d' % sys.version_info[:2])
"""
"""What the targets import is byte code from then on: the packages come without it."""


class FetchError(Exception):
    """The interpreters cannot be fetched here: what, why, and what to do."""


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """Run a program and return its output.

    Raises:
        FetchError: it is missing, fails, or takes too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{command[0]} could not be run: {error}") from error
    if done.returncode:
        raise FetchError(f"{' '.join(command[:3])} ... failed:\n{done.stderr.strip()}")
    return done.stdout


def read_paragraphs(text: str) -> list[dict[str, str]]:
    """The fields of each paragraph of a deb822 file, continuation lines included."""
    paragraphs: list[dict[str, str]] = []
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            paragraphs.append(fields)
    return paragraphs


def read_one_line_sources(text: str) -> list[dict[str, str]]:
    """The entries of a sources.list in its older form, as deb822 fields."""
    entries = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.strip())
        if match:
            entry = {"Types": "deb", "URIs": match[2], "Suites": match[3], "Components": match[4]}
            signed = re.search(r"signed-by=(\S+)", match["options"] or "")
            entries.append(entry | ({"Signed-By": signed[1]} if signed else {}))
    return entries


def find_mirror() -> dict[str, str]:
    """The deb822 fields of Debian's main archive as this machine is told to reach it.

    Raises:
        FetchError: this is no Debian, or its archive is not among the sources.
    """
    release = Path("/etc/os-release")
    text = release.read_text() if release.exists() else ""
    if not re.search(r"^ID=\"?debian", text, re.MULTILINE):
        raise FetchError("this machine does not run Debian: install the interpreters with pyenv")
    codename = re.search(r"^VERSION_CODENAME=(\w+)", text, re.MULTILINE)
    suites = {"stable", "testing", "unstable", SUITE, codename[1] if codename else SUITE}
    entries = []
    for path in [SOURCES / "sources.list", *sorted(SOURCES.glob("sources.list.d/*"))]:
        if path.suffix == ".sources":
            entries += read_paragraphs(path.read_text())
        elif path.suffix == ".list" and path.exists():
            entries += read_one_line_sources(path.read_text())
    found = [entry for entry in entries if is_active(entry, suites)]
    if not found:
        raise FetchError(f"no Debian archive is named in {SOURCES}/sources.list.d")
    # Others publish for Debian as well; its own archive is the one signed with its own keys.
    found.sort(key=lambda entry: "debian-archive" not in entry.get("Signed-By", ""))
    return {name: found[0][name] for name in ("URIs", "Signed-By") if name in found[0]}


def is_active(entry: dict[str, str], suites: set[str]) -> bool:
    """Whether an entry of the sources is used and has the main component of one of `suites`."""
    return (
        entry.get("Enabled", "yes").lower() in ("yes", "true")
        and "deb" in entry.get("Types", "").split()
        and "main" in entry.get("Components", "").split()
        and not suites.isdisjoint(entry.get("Suites", "").split())
    )


def prepare_apt(folder: Path) -> dict[str, str]:
    """Write an apt configuration of its own into `folder`, and read the package lists.

    Returns:
        The environment with which apt-get uses it.
    """
    for name in ("state/lists/partial", "cache/archives/partial", "sources.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()  # as if nothing was installed: then all that is needed is listed
    fields = {"Types": "deb", **find_mirror(), "Suites": SUITE, "Components": "main"}
    source = "".join(
        f"{name}:{'' if value[:1] == chr(10) else ' '}{value}\n" for name, value in fields.items()
    )
    (folder / "sources.d/python.sources").write_text(source)
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": "-",
        "Dir::Etc::sourceparts": folder / "sources.d",
        "Dir::Etc::preferencesparts": "-",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "APT::Sandbox::User": "root",
    }
    config = folder / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {"APT_CONFIG": str(config)}
    run(["apt-get", "update", "--quiet"], environment, folder)
    return environment


def needed_packages(version: str, environment: dict[str, str], folder: Path) -> list[str]:
    """Names of the packages that make up one Python: itself, its headers, its shared libraries."""
    wanted = [f"python{version}-minimal", f"libpython{version}-stdlib", f"libpython{version}-dev"]
    command = ["apt-get", "install", "--print-uris", "--yes", "--quiet", "--no-install-recommends"]
    listing = run([*command, *wanted], environment, folder)
    names = re.findall(r"^'\S+' ([^_\s]+)_\S+\.deb ", listing, re.MULTILINE)
    shared = f"libpython{version}"  # the program has all of it inside
    return [n for n in names if n in wanted or (LIBRARY.fullmatch(n) and n != shared)]


def unpack(version: str, archives: list[Path], destination: Path) -> None:
    """Unpack packages into a folder that appears under its name only when it is complete."""
    building = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=destination.parent))
    try:
        for archive in archives:
            run(["dpkg-deb", "--extract", str(archive), str(building)], {}, destination.parent)
        for unneeded in building.glob(f"usr/lib/python{version}/config-*"):
            shutil.rmtree(unneeded)  # the static library
        write_wrapper(version, building)
        writing = {"PYTHONDONTWRITEBYTECODE": ""}
        answer = run([str(building / "python"), "-c", CHECK], writing, building).strip()
        if answer != version:
            raise FetchError(f"the fetched Python {version} says it is {answer}")
        building.chmod(0o755)
        shutil.rmtree(destination, ignore_errors=True)
        building.rename(destination)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_wrapper(version: str, folder: Path) -> None:
    """Write the script that starts the Python unpacked in `folder`."""
    loaders = sorted(folder.glob("usr/lib/*-linux-gnu*/ld-linux-*.so.*"))
    if not loaders:
        raise FetchError("the C library's package has no dynamic loader where it is expected")
    loader = loaders[0].relative_to(folder)
    wrapper = folder / "python"
    wrapper.write_text(WRAPPER.format(loader=loader, libraries=loader.parent, version=version))
    wrapper.chmod(0o755)


def fetch(versions: list[str], destination: Path) -> None:
    """Fetch Pythons into `destination`, each into a folder of its version's name."""
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=destination) as scratch:
        folder = Path(scratch).resolve()
        environment = prepare_apt(folder)
        packages = {v: needed_packages(v, environment, folder) for v in versions}
        names = sorted({name for needed in packages.values() for name in needed})
        run(["apt-get", "download", "--quiet", *names], environment, folder)
        archives = {path.name.partition("_")[0]: path for path in folder.glob("*.deb")}
        with ThreadPoolExecutor() as pool:
            unpacked = [
                pool.submit(unpack, v, [archives[name] for name in needed], destination / v)
                for v, needed in packages.items()
            ]
        for result in unpacked:
            result.result()


def main() -> int:
    """Fetch what is missing; 1 with the reason on standard error when that is not possible."""
    named = os.environ.get("HEAPGRAPH_INTERPRETERS")
    repository = Path(__file__).resolve().parents[1]
    destination = Path(named).resolve() if named else repository / ".interpreters"
    versions = sys.argv[1:] or list(VERSIONS)
    wrong = [version for version in versions if not re.fullmatch(r"3\.\d+", version)]
    if wrong:
        print(f"not a version like 3.14: {wrong[0]}", file=sys.stderr)
        return 2
    missing = [version for version in versions if not (destination / version / "python").exists()]
    if not missing:
        return 0
    print(f"fetching CPython {' and '.join(missing)} for the tests", file=sys.stderr)
    try:
        fetch(missing, destination)
    except (FetchError, OSError) as error:
        print(f"CPython {' and '.join(missing)} cannot be fetched: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
