"""The guest's first files: a static busybox, the program that prepares the guest, a few modules."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from scripts.guest.kernels import Kernel

MODULES = ("virtio_pci", "9pnet_virtio", "9p")
"""The way to the files of the machine; some kernels have a part of it built in."""

COMMANDS = (
    *("sh", "mount", "mkdir", "insmod", "cat", "chroot", "setsid", "stty", "ip", "sync"),
    "poweroff",
)
FOLDERS = ("bin", "dev", "proc", "machine", "modules")

_FIELDS_OF_A_FILE = 13
_ALIGNMENT = 4


def write_initrd(path: Path, init: Path, kernel: Kernel) -> None:
    """Write the archive that the kernel unpacks into its first file system.

    Args:
        path: file to write.
        init: the first program, a script for busybox.
        kernel: whose modules are put in.
    """
    modules = _with_dependencies(MODULES, _module_files(kernel.modules))
    with path.open("wb") as archive:
        for folder in FOLDERS:
            _add(archive, folder, stat.S_IFDIR | 0o755, b"")
        busybox = shutil.which("busybox")
        assert busybox is not None  # noqa: S101 - the caller has looked
        _add(archive, "bin/busybox", stat.S_IFREG | 0o755, Path(busybox).read_bytes())
        for command in COMMANDS:
            _add(archive, f"bin/{command}", stat.S_IFLNK | 0o777, b"busybox")
        for name, content in modules.items():
            _add(archive, f"modules/{name}", stat.S_IFREG | 0o644, content)
        _add(archive, "modules/order", stat.S_IFREG | 0o644, "\n".join(modules).encode())
        _add(archive, "init", stat.S_IFREG | 0o755, init.read_bytes())
        _add(archive, "TRAILER!!!", 0, b"")


def _add(archive: BinaryIO, name: str, mode: int, content: bytes) -> None:
    """One entry of the format "newc" (the kernel's early-userspace/buffer-format.rst)."""
    numbers = [0] * _FIELDS_OF_A_FILE
    numbers[1], numbers[4] = mode, 1
    numbers[6], numbers[11] = len(content), len(name) + 1
    header = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    archive.writelines(part + bytes(-len(part) % _ALIGNMENT) for part in (header, content))


def _module_files(folder: Path) -> dict[str, Path]:
    """The module files of a kernel by name; in names - and _ are the same."""
    return {
        path.name.partition(".")[0].replace("-", "_"): path
        for path in folder.glob("kernel/**/*.ko*")
    }


def _with_dependencies(names: tuple[str, ...], files: dict[str, Path]) -> dict[str, bytes]:
    """The contents of modules by name, each behind those it needs; what is built in has none."""
    contents: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in contents or name not in files:
            return
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        needed = re.search(rb"\0depends=([^\0]*)\0", content)
        for one in needed[1].decode().split(",") if needed else ():
            add(one.replace("-", "_"))
        contents[name] = content

    for name in names:
        add(name)
    return contents
