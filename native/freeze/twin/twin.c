#include "freeze/twin/twin.h"

#include "freeze/arch/arch.h"
#include "freeze/process/proc_files.h"
#include "freeze/process/threads.h"
#include "freeze/twin/twin_calls.h"
#include "freeze/twin/twin_child.h"
#include "freeze/twin/twin_table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIB = 1024, PAGE = 4096 };

/* Above its memory: for the stub, its stack and buffers, and what allocators reserve. */
static const uint64_t room_for_allocators = (uint64_t)1 << 30;

static struct {
    pid_t child;      /* 0: none is held */
    uint64_t page;    /* its page with the call instruction */
    uint64_t allowed; /* bytes of memory */
    int status;       /* descriptor of its /proc/PID/status */
} twin;

bool twin_is_held(void) { return twin.child != 0; }

uint64_t twin_call_place(void) { return twin.child != 0 ? twin.page : 0; }

pid_t code_child(struct call *call) {
    if (twin.child == 0) return clone_child(call);
    *call = (struct call){.instruction = twin.page};
    return twin.child;
}

void twin_end(void) {
    int status, change = await_change(twin.child, &status, 0);
    /* When it has ended before, and was waited for, its number may be another process's by now. */
    if (change == 0 || (change == 1 && WIFSTOPPED(status))) {
        kill(twin.child, SIGKILL);
        do /* a stop that was reported before the kill may still be queued */
            change = await_change(twin.child, &status, INT64_MAX);
        while (change == 1 && WIFSTOPPED(status));
    }
    if (twin.status >= 0) close(twin.status);
    twin.child = 0;
}

/* A number of kibibytes in /proc/PID/status, in bytes; 0 when the kernel does not say it. */
static uint64_t status_bytes(const char *text, const char *name) {
    const char *line = strstr(text, name);
    return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 10) * KIB;
}

bool twin_is_over_budget(void) {
    char text[TASK_STATUS_SIZE];
    if (!read_open_status(twin.status, text, sizeof text))
        return false; /* it has ended, as whoever looks at it next will see */
    return status_bytes(text, "\nRssAnon:") + status_bytes(text, "\nRssShmem:") +
               status_bytes(text, "\nVmPTE:") >
           twin.allowed;
}

/* Fork, and take the child as soon as it stands in the last thing it does by itself. */
static bool fork_child(int table, uint64_t count, struct failure *failure) {
    int report[2];
    struct twin_report said = {.error = EPIPE};
    *failure = (struct failure){"twin", errno, "no process can be made"};
    if (pipe2(report, O_CLOEXEC) != 0) return false;
    twin.child = fork();
    if (twin.child == 0) twin_child_main(table, count, report[1]);
    close(report[1]);
    if (twin.child < 0) {
        failure->error = errno;
        close(report[0]);
        twin.child = 0;
        return false;
    }
    if (read(report[0], &said, sizeof said) != (ssize_t)sizeof said) said.error = EPIPE;
    close(report[0]);
    twin.page = said.page;
    *failure = (struct failure){"twin", said.error, "it may not give up what it has"};
    if (said.error != 0) return false;
    enum stop stop = request_stop(twin.child);
    *failure = (struct failure){"twin", errno, "the kernel refuses to trace a child of our own"};
    if (stop != THREAD_STOPPED || await_stop(twin.child, INT64_MAX) != THREAD_STOPPED) return false;
    uintptr_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
    return traced(PTRACE_SETOPTIONS, twin.child, 0, options) == 0;
}

static bool map_rows(int table, uint64_t count, uint64_t *total, struct failure *failure) {
    struct twin_row row;
    *total = 0;
    for (uint64_t i = 0; i < count; i++) {
        *failure = (struct failure){"twin", EIO, "the list of its memory became shorter"};
        if (!table_row(table, i, &row)) return false;
        const long result = map_row(twin.child, twin.page, &row);
        *failure = (struct failure){"twin", (int)-result, "a range of its memory cannot be mapped"};
        if (result != 0) return false;
        *total += row.size;
    }
    return true;
}

static bool limit_memory(uint64_t total) {
    const uint64_t most = total + room_for_allocators;
    const struct rlimit both = {.rlim_cur = most, .rlim_max = most};
    return prlimit(twin.child, RLIMIT_AS, &both, NULL) == 0;
}

/* From a copy of this process to one that has the memory of the target and nothing else. */
static bool transform(int table, uint64_t count, uint64_t thread_pointer, struct failure *failure) {
    uint64_t total;
    *failure = (struct failure){"twin", EPERM, "it keeps memory of its own"};
    if (!write_call_page(twin.child, twin.page) || !forget_sequences(twin.child, twin.page) ||
        !unmap_all(twin.child, twin.page))
        return false;
    if (!map_rows(table, count, &total, failure)) return false;
    *failure = (struct failure){"twin", EPERM, "it keeps open files"};
    if (!close_all(twin.child, twin.page)) return false;
    *failure = (struct failure){"twin", ENOSYS, "its system calls cannot be filtered (seccomp)"};
    if (!bar_calls(twin.child, twin.page)) return false;
    *failure = (struct failure){"twin", errno, "its memory cannot be limited"};
    if (!limit_memory(total)) return false;
    *failure = (struct failure){"twin", EINVAL, "it does not take the thread pointer"};
    return arch_forget_registers(twin.child) == 0 &&
           arch_set_thread_pointer(twin.child, thread_pointer) == 0;
}

bool twin_make(int table, uint64_t thread_pointer, pid_t *child, struct failure *failure) {
    uint64_t count = 0;
    char path[64];
    twin.status = -1;
    bool made = table_is_usable(table, &count, failure);
    if (made) {
        twin.allowed = table_memory_allowed(table, count);
        made =
            fork_child(table, count, failure) && transform(table, count, thread_pointer, failure);
    }
    table_close_files(table, count);
    if (!made && twin.child != 0) twin_end();
    if (!made) return false;
    snprintf(path, sizeof path, "/proc/%d/status", twin.child);
    twin.status = open(path, O_RDONLY | O_CLOEXEC);
    *failure = (struct failure){"twin", errno, "its use of memory cannot be watched"};
    if (twin.status < 0) {
        twin_end();
        return false;
    }
    *child = twin.child;
    return true;
}
