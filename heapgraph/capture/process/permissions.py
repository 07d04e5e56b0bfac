"""May this process trace the target? If not, why not, in words that lead on.

The kernel answers every refusal with EPERM; the reason is read from `/proc`, never guessed from
the text of a message.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from heapgraph.capture.process.other_threads import running_thread
from heapgraph.errors import (
    NotAPythonProcess,
    TargetAlreadyTraced,
    TargetError,
    TargetNotFound,
    TargetPermissionDenied,
)

_DAC_OVERRIDE, _DAC_READ_SEARCH, _PTRACE_CAPABILITY = 1, 2, 19  # CAP_..., linux/capability.h
_MOUNTS = Path("/proc/self/mounts")
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_YAMA_RESTRICTED, _YAMA_ADMIN, _YAMA_NONE = 1, 2, 3  # Documentation/admin-guide/LSM/Yama.rst


def read_status(pid: int) -> dict[str, str]:
    """The fields of `/proc/PID/status`, as text.

    Raises:
        TargetNotFound: there is no such process.
        TargetPermissionDenied: the kernel hides it.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except PermissionError as error:
        raise _hidden(f"the kernel hides process {pid}") from error
    except (FileNotFoundError, ProcessLookupError) as error:
        if os.geteuid() != 0 and _hides_processes():
            raise _hidden(f"no process with pid {pid} can be seen") from error
        raise TargetNotFound(
            f"no process with pid {pid}",
            "it has ended, or it runs in another pid namespace (container)",
            "list the Python processes here: heapgraph ps",
        ) from error
    return {
        name: value.strip() for name, _, value in (line.partition(":") for line in text.split("\n"))
    }


def _hides_processes() -> bool:
    """Other users' processes are kept from view: the option hidepid of /proc, by number or name."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return False
    options = {
        option
        for _, _, kind, texts, *_ in (line.split() for line in lines)
        if kind == "proc"
        for option in texts.split(",")
        if option.startswith("hidepid=")
    }
    return bool(options - {"hidepid=0", "hidepid=off"})


def _hidden(what: str) -> TargetPermissionDenied:
    return TargetPermissionDenied(
        what,
        "/proc is mounted with hidepid: only its owner and root see a process",
        "run heapgraph as root: sudo heapgraph ...",
    )


def check_target(pid: int) -> dict[str, str]:
    """Refuse what can be refused before anything is done to the process.

    Args:
        pid: the process to look at.

    Returns:
        Its status, as `read_status`.

    Raises:
        TargetNotFound: no such process, a thread's id, or a process that has ended.
        TargetAlreadyTraced: a debugger holds it.
        NotAPythonProcess: it is a kernel thread.
        TargetError: it is this process itself, or only its first thread has ended.
    """
    status = read_status(pid)
    if pid == os.getpid():
        raise TargetError(
            f"pid {pid} is heapgraph itself",
            "a process cannot stop itself and look at itself at the same time",
            f"run it from another process: heapgraph dump {pid}",
        )
    if status.get("Tgid") != str(pid):
        raise TargetNotFound(
            f"{pid} is not a process but a thread of process {status.get('Tgid')}",
            "tools that list threads show thread ids",
            f"heapgraph dump {status.get('Tgid')}",
        )
    if status.get("State", "").startswith(("Z", "X")):
        if _goes_on(pid):
            raise TargetError(
                f"the first thread of process {pid} has ended",
                "the others go on, but the kernel shows the memory of a process by its first one",
                "start it again to look into it, with its first thread waiting for the others",
            )
        raise TargetNotFound(
            f"process {pid} has ended and is a zombie",
            f"its parent, process {status.get('PPid')}, has not waited for it yet",
            "it has no memory left to look at; choose a running process",
        )
    _check_not_traced(pid, status)
    if "VmSize" not in status:
        raise NotAPythonProcess(
            f"process {pid} ({status.get('Name')}) has no memory of its own",
            "it is a kernel thread",
            "list the Python processes here: heapgraph ps",
        )
    return status


def _goes_on(pid: int) -> bool:
    """Whether another thread of a process runs whose first one has ended."""
    try:
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return running_thread(folder) != 0
    except OSError:
        return False
    finally:
        os.close(folder)


def explain_refusal(pid: int, error_number: int) -> TargetError:
    """Why the kernel did not let this process trace `pid`.

    Args:
        pid: the target.
        error_number: the errno of the refused ptrace call or of opening `/proc/PID/mem`.

    Returns:
        The error to raise: TargetAlreadyTraced, TargetNotFound or TargetPermissionDenied.
    """
    try:
        status = check_target(pid)
    except TargetError as found:
        return found
    if error_number == errno.ESRCH:
        return TargetNotFound(f"process {pid} ended before it could be stopped")
    what = f"the kernel refuses to trace process {pid} ({status.get('Name')})"
    return TargetPermissionDenied(what, *_cause_and_hint(pid, status))


def _check_not_traced(pid: int, status: dict[str, str]) -> None:
    tracer = status.get("TracerPid", "0")
    if tracer == "0":
        return
    try:
        name = Path(f"/proc/{tracer}/comm").read_text().strip()
    except OSError:
        name = "ended meanwhile"
    raise TargetAlreadyTraced(
        f"process {pid} is already traced by process {tracer} ({name})",
        "a process can have one tracer only: a debugger, strace, or another heapgraph",
        "let it detach, then try again",
    )


def _cause_and_hint(pid: int, status: dict[str, str]) -> tuple[str, str]:
    user, owner = os.geteuid(), status.get("Uid", "?").split()[0]
    scope = _yama_scope()
    if scope >= _YAMA_NONE:
        return (
            f"tracing is switched off until the next boot (kernel.yama.ptrace_scope = {scope})",
            "dump a core file instead, or boot with a lower kernel.yama.ptrace_scope",
        )
    capabilities = _capabilities()
    if capabilities >> _PTRACE_CAPABILITY & 1:
        return _although_it_may_trace(owner, user, capabilities)
    if user == 0:
        return (
            "this is root without the capability CAP_SYS_PTRACE, as in most containers",
            "start the container with --cap-add=SYS_PTRACE, or run heapgraph on the host",
        )
    if owner != str(user):
        return (
            f"the process belongs to user {owner}, heapgraph runs as user {user}",
            f"sudo heapgraph dump {pid}",
        )
    if scope >= _YAMA_RESTRICTED:
        return (
            f"only root may trace processes here (kernel.yama.ptrace_scope = {scope})"
            if scope == _YAMA_ADMIN
            else f"a process may trace its own children only (kernel.yama.ptrace_scope = {scope})",
            f"sudo heapgraph dump {pid}",
        )
    return (
        "the process protects its memory: it changed its user, or is marked not dumpable",
        f"sudo heapgraph dump {pid}",
    )


def _although_it_may_trace(owner: str, user: int, capabilities: int) -> tuple[str, str]:
    reads_all = capabilities & (1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)
    if owner != str(user) and not reads_all:
        return (
            f"its files in /proc are of user {owner}, and this has no CAP_DAC_READ_SEARCH",
            "start the container with --cap-add=DAC_READ_SEARCH, or run heapgraph on the host",
        )
    return (
        "a security module (SELinux, AppArmor) or a user namespace forbids it",
        "look at the kernel log: dmesg | tail",
    )


def _yama_scope() -> int:
    try:
        return int(_YAMA.read_text())
    except (OSError, ValueError):
        return 0  # a kernel without Yama has no such limit


def _capabilities() -> int:
    """Those of this process that are in effect, one bit each."""
    return int(read_status(os.getpid()).get("CapEff", "0"), 16)
