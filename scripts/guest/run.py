#!/usr/bin/env python3
"""Runs a command under another Linux kernel: Debian's, in a virtual machine without hardware help.

    python scripts/guest/run.py [--kernel 6.12] [--share FOLDER] -- COMMAND [ARGUMENT...]

The guest sees the files of this machine, read-only and at the same paths, so that any interpreter
and any work tree that runs here runs there; /tmp, /run, /mnt and /dev/shm are its own. What is
written to /mnt/share stays in FOLDER. The command runs as root, in the present folder, with this
environment; its output is printed and its exit code returned. cgroup v2 is mounted.

The kernel is downloaded by apt into a cache folder once. The processor is interpreted (TCG), so
everything takes ten to thirty times as long: compare figures of one run, and believe no absolute.

Needs: qemu-system-x86_64 (Debian: qemu-system-x86), busybox-static, apt.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from scripts.guest.initrd import write_initrd  # noqa: E402 - found by the line above
from scripts.guest.kernels import Kernel, fetch_kernel  # noqa: E402

KEPT_VARIABLES = ("HEAPGRAPH_INTERPRETERS", "PYTHONPATH", "CI")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kernel", default="6.12", help="a version that apt knows: 6.1, 6.12")
    parser.add_argument("--memory", type=int, default=3000, help="of the guest, in MiB")
    parser.add_argument("--processors", type=int, default=2)
    parser.add_argument("--share", type=Path, help="folder seen as /mnt/share, writable")
    parser.add_argument("--append", default="", help="more words for the kernel's command line")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds until it is ended")
    parser.add_argument("command", nargs="+", help="what to run in the guest, behind --")
    return parser.parse_args()


def guest_script(command: list[str]) -> str:
    """The shell script that the guest runs: this folder and environment, and the command."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/run",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        **kept,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f"cd {shlex.quote(str(Path.cwd()))}", shlex.join(command), ""])


def machine_arguments(options: argparse.Namespace, kernel: Kernel, work: Path) -> list[str]:
    """The arguments of the virtual machine.

    Args:
        options: of the command line.
        kernel: to boot.
        work: folder with `initrd`; console and exit code are written to it.
    """
    share = (options.share or work / "share").resolve()
    files = "local,security_model=none,multidevs=remap"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
        *("-m", str(options.memory), "-smp", str(options.processors)),
        *("-kernel", str(kernel.image), "-initrd", str(work / "initrd")),
        *("-append", f"console=ttyS0 panic=-1 {options.append}".rstrip()),
        *("-display", "none", "-no-reboot", "-nodefaults", "-nic", "none"),
        *("-virtfs", f"{files},path=/,mount_tag=machine,readonly=on"),
        *("-virtfs", f"{files},path={share},mount_tag=share"),
        *("-serial", f"file:{work / 'console'}", "-serial", "stdio"),
        *("-serial", f"file:{work / 'code'}"),
    ]


def main() -> int:
    """Boot, wait, and return the exit code of the command; 125 when there is none."""
    options = parse_arguments()
    for program in ("qemu-system-x86_64", "busybox", "apt-get"):
        if shutil.which(program) is None:
            print(f"{program} is missing (Debian: qemu-system-x86, busybox-static)")
            return 125
    kernel = fetch_kernel(options.kernel)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        share = options.share or work / "share"
        share.mkdir(exist_ok=True)
        (share / ".command").write_text(guest_script(options.command), encoding="utf-8")
        write_initrd(work / "initrd", HERE / "init.sh", kernel)
        try:
            subprocess.run(
                machine_arguments(options, kernel, work),
                stdin=subprocess.DEVNULL,
                timeout=options.limit,
                check=True,
            )
            return int((work / "code").read_text())
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            console = work / "console"
            text = console.read_text(errors="replace") if console.exists() else ""
            print(f"{text[-4000:]}\nthe guest ended without an exit code: {error}", file=sys.stderr)
            return 125
        finally:
            (share / ".command").unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(main())
