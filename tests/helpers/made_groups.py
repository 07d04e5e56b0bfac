"""Control groups that are folders of a test: what the kernel would show of either version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINES = {1: "7:cpu,memory:{}", 2: "0::{}"}
_SYSTEMS = {1: "cgroup cgroup rw,memory", 2: "cgroup2 cgroup2 rw"}
_LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}
_USED = {1: "memory.usage_in_bytes", 2: "memory.current"}
_CACHES = {1: "total_inactive_file", 2: "inactive_file"}
_NONE = {1: 2**63 - 4096, 2: "max"}


class MadeGroups:
    """A hierarchy, a `/proc` of its processes, and the file of its mount.

    Attributes:
        proc: the folder in place of `/proc`.
        mounts: the file in place of `/proc/self/mountinfo`.
    """

    def __init__(self, folder: Path, version: int, top: str = "/", place: str = "groups") -> None:
        """Mount it.

        Args:
            folder: where all of it is.
            version: 1 or 2.
            top: the group that is seen at the top.
            place: the name of the folder where it is mounted.
        """
        self.version = version
        self.proc = folder / "proc"
        self.mounts = folder / "mountinfo"
        self._top = top
        self._root = folder / place
        self._root.mkdir()
        written = str(self._root).replace(" ", "\\040")
        self.mounts.write_text(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
            "32 31 0:29 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
            f"35 31 0:32 {top} {written} rw,relatime shared:9 - {_SYSTEMS[version]}\n"
        )

    def place(self, pid: int | str, path: str, status: str = "") -> None:
        """Put a process into a group."""
        folder = self.proc / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup").write_text(f"12:pids:/other\n{_LINES[self.version].format(path)}\n")
        (folder / "status").write_text(status)

    def machine(self, available: int) -> None:
        """Say how many bytes the machine has left."""
        self.proc.mkdir(exist_ok=True)
        lines = f"MemTotal: 99 kB\nMemAvailable: {available // 1024} kB\n"
        (self.proc / "meminfo").write_text(lines)

    def group(
        self, path: str, limit: int | None = None, used: int = 0, cache: int = 0, **files: object
    ) -> Path:
        """Make a group, or write its numbers anew.

        Args:
            path: of the group, as `place` has it.
            limit: None for none.
            used: bytes.
            cache: bytes of it that can be dropped.
            **files: more of its files, with `__` for a dot; `stat` is further lines of memory.stat.

        Returns:
            Its folder.
        """
        folder = self._root / path.removeprefix(self._top).lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        most = _NONE[self.version] if limit is None else limit
        lines = f"anon 5\n{_CACHES[self.version]} {cache}\n{files.pop('stat', '')}"
        written = {_LIMITS[self.version]: most, _USED[self.version]: used, "memory.stat": lines}
        for name, value in {**written, **files}.items():
            (folder / name.replace("__", ".")).write_text(f"{value}\n".rstrip("\n") + "\n")
        return folder
