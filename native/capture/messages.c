#include "capture/messages.h"

#include "freeze/hold/freeze.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct advice {
    const char *code;
    int error; /* 0: any */
    const char *cause, *next;
};

/* The first that fits counts. */
static const struct advice ADVICE[] = {
    {"seize", EPERM,
     "another user's process, a container without CAP_SYS_PTRACE, or kernel.yama.ptrace_scope",
     "run this as root, in a container with the capability SYS_PTRACE, or on the host"},
    {"seize", EACCES, "another user's process, or one that protects its memory",
     "run this as root"},
    {"traced", 0, "a debugger, strace or another capture holds it",
     "let it detach, then try again"},
    {"thread", 0, "tools that list threads show thread ids", "give the id of the process"},
    {"self", 0, "it would wait for itself", "give the id of another process"},
    {"kernel", 0, "it has no memory of its own", "give the id of a Python process"},
    {"gone", 0, "it has ended, or it runs in another pid namespace",
     "look for it where it is seen: ps -ef"},
    {"ended", 0, "the target ended, or the kernel ended its frozen clone to get memory",
     "look whether it still runs, and try again"},
    {"busy", 0, "each of its threads waits for a disk, or is in an allocator's critical section",
     "try again in a moment"},
    {"clone", EAGAIN, "a limit on processes is reached (pids.max of its group, or ulimit -u)",
     "raise the limit, or let it stand: --pause 10000"},
    {"clone", ENOMEM, "memory may not be overcommitted, or none is left",
     "let it stand while it is read: --pause 10000"},
    {"clone", EPERM, "its seccomp filter may forbid the call",
     "run this as root, or let it stand: --pause 10000"},
    {"inject", EPERM, "only root may suspend its seccomp filter",
     "run this as root, or let it stand: --pause 10000"},
    {"inject", 0, "its code runs in a mode that cannot take the call",
     "let it stand while it is read: --pause 10000"},
    {"section", 0, "its threads are inside an allocator's critical section", "try again"},
    {"stack", 0, "no thread could find back by itself", "let it stand: --pause 10000"},
    {"code", 0, "its C library is of a kind that is not known", "let it stand: --pause 10000"},
    {"seccomp", 0, "its seccomp filter may forbid the call", "let it stand: --pause 10000"},
    {"group", EPERM, "should memory run out, the kernel ends all of them (memory.oom.group)",
     "let it stand while it is read: --pause 10000"},
    {"group", 0, "it is in another container, whose limit on memory cannot be seen from this one",
     "run this there or on the host, or let it stand: --pause 10000"},
    {"memory", 0, "the target's memory group, or the machine, has hardly any left",
     "raise the limit, or let it stand: --pause 10000"},
    {"short", 0, "its memory group, or the machine, had hardly any left while it was read",
     "raise the limit, or let it stand: --pause 10000"},
    {"guard", 0, "a limit on pending signals (ulimit -i) of this program",
     "raise it: ulimit -i 100"},
    {"uffd", 0, "a clone would be told to who handles its page faults",
     "let it stand while it is read: --pause 10000"},
    {"woke", 0, "it was left asleep, since a stop would have cut its call short", "try again"},
    {"packing", 0, "a limit on this program's own memory (ulimit -v)", "raise it"},
    {"write", EPIPE, "the program that read the output ended", "look at its messages"},
    {"write", ENOSPC, "the disk is full", "write elsewhere"},
    {"write", EFBIG, "a limit on file sizes (ulimit -f)", "raise it, or write elsewhere"},
    {"stall", 0, "the program that reads the output has taken nothing for a minute",
     "write to a file, or to something that reads on"},
    {"limit", 0, "its memory could not be written in that time",
     "capture it without --pause, or allow it more time"},
    {"signal", 0, "somebody ended this program", "the target goes on; start it again"},
    {"", 0, "the system refused it", "try again, and report it if it stays"},
};

static const struct advice *find_advice(const struct failure *failure) {
    const struct advice *advice = ADVICE;
    while (advice->code[0] != 0 && (strcmp(advice->code, failure->code) != 0 ||
                                    (advice->error != 0 && advice->error != failure->error)))
        advice++;
    return advice;
}

int report_failure(pid_t pid, const struct failure *failure, bool for_program) {
    if (for_program) {
        fprintf(stderr, "error %s %d %s\n", failure->code, failure->error, failure->text);
        return EXIT_TARGET;
    }
    const struct advice *advice = find_advice(failure);
    fprintf(stderr, "error: process %d cannot be captured: %s (%s)\ncause: %s\nnext:  %s\n", pid,
            failure->text, strerror(failure->error), advice->cause, advice->next);
    return EXIT_TARGET;
}

void report_success(const struct facts *facts, uint64_t stored, uint64_t written, bool is_clean,
                    bool for_program) {
    if (for_program) {
        fprintf(stderr, "captured %s %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n",
                facts->method, facts->pause_ns, stored, written, facts->sizes.withheld, is_clean);
        return;
    }
    fprintf(stderr,
            "captured process %d: %.1f MiB of memory in %.1f MiB, it stood for %.1f ms (%s)\n",
            facts->pid, (double)stored / (1 << 20), (double)written / (1 << 20),
            (double)facts->pause_ns / 1e6, facts->method);
    if (facts->sizes.withheld > 0)
        fprintf(stderr, "without %.1f MiB that it keeps from clones: --pause has them\n",
                (double)facts->sizes.withheld / (1 << 20));
}

int explain_usage(void) {
    fputs(
        "usage: heapgraph_capture [--pause MS] PID > FILE.core.zst\n"
        "Writes the memory of a Python process; read it with: heapgraph dump --core FILE.core.zst\n"
        "  --pause MS  let the process stand while it is read, for MS at most, where a copy\n"
        "              (clone) of it is not allowed\n",
        stderr);
    return EXIT_USAGE;
}

int refuse_terminal(bool for_program) {
    fputs(for_program ? "error terminal 25 the output is a terminal\n"
                      : "error: the output is a terminal\n"
                        "cause: memory is no text, and could change what the terminal does\n"
                        "next:  heapgraph_capture PID > FILE.core.zst\n",
          stderr);
    return EXIT_USAGE;
}
