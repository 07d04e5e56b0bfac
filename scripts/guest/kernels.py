"""Kernels of Debian, unpacked into a cache folder."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel.

    Attributes:
        image: the file to boot.
        modules: folder of its modules.
    """

    image: Path
    modules: Path


def fetch_kernel(version: str) -> Kernel:
    """The newest kernel of a version, e.g. "6.12"; downloaded unless it is there.

    The plain kernel, not the one for clouds, which has no file system shared with the machine.

    Raises:
        SystemExit: apt knows none.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heapgraph-guest"
    cache.mkdir(parents=True, exist_ok=True)
    found = sorted(cache.glob(f"linux-image-{version}.*"))
    folder = found[-1] if found else _download(_newest_package(version), cache)
    (image,) = (folder / "boot").glob("vmlinuz-*")
    (modules,) = folder.glob("lib/modules/*")
    return Kernel(image, modules)


def _newest_package(version: str) -> str:
    pattern = rf"^linux-image-{re.escape(version)}\..*-amd64-unsigned$"
    listed = subprocess.run(
        ["apt-cache", "search", "--names-only", pattern],  # noqa: S607 - the machine's own
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    names = [line.split()[0] for line in listed if line]
    plain = [name for name in names if not re.search(r"-(cloud|rt)-", name)]
    if not plain:
        raise SystemExit(f"apt knows no kernel {version} for amd64: run apt-get update first")
    return max(plain, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def _download(package: str, cache: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)  # noqa: S607
        (archive,) = Path(folder).glob("*.deb")
        unpacked = Path(folder) / package
        subprocess.run(["dpkg", "-x", str(archive), str(unpacked)], check=True)  # noqa: S607
        return unpacked.rename(cache / package)
