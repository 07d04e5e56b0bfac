/* heapgraph_freeze: makes the memory of a process stand still, on orders from standard input.
 *
 * A program of its own because ptrace belongs to one thread, and because whatever happens to the
 * program that reads the memory, this one still lets the target go. One order a line, one answer:
 *
 *   freeze PID INSTRUCTION SECCOMP   frozen CHILD NANOSECONDS
 *   pause PID LIMIT_NS               paused THREADS           (LIMIT_NS 0: no limit)
 *   twin TABLE THREAD_POINTER        twin CHILD                (see twin.h; TABLE: a descriptor)
 *   map BYTES                        mapped ADDRESS            (memory and the stub in the clone,
 *                                                               or in the twin)
 *   run CONTROL LIMIT_NS             ran END NUMBER            (CONTROL 0: go on)
 *                                    END: stub | signal | call | limit | memory, see traverse.h
 *   release [INSTRUCTION]            released NANOSECONDS STATE (where it is now)
 *                                    STATE: clean | zombie | expired (the limit came first)
 *   any                              error CODE ERRNO TEXT
 *                                    CODE: usage, seize, inject, clone, busy, gone, threads, map,
 *                                          twin
 *
 * INSTRUCTION is the hexadecimal address of a system call instruction in the target, SECCOMP is 1
 * when the target has a seccomp filter. The end of standard input, or of the parent, releases
 * whatever is held and ends the program. */
#include "freeze.h"
#include "threads.h"
#include "traverse.h"
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { IDLE_MS = 1000, LATE_MS = 5, LINE_SIZE = 256 };

static bool expired; /* the pause was ended by its limit */
static int64_t expired_after_ns;

static void answer(const char *line)
{
    size_t length = strlen(line);
    while (length > 0) { /* a closed pipe shows up as the end of standard input */
        ssize_t written = write(STDOUT_FILENO, line, length);
        if (written <= 0)
            return;
        line += written;
        length -= (size_t)written;
    }
}

static void answer_failure(const struct failure *failure)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "error %s %d %s\n", failure->code, failure->error, failure->text);
    answer(line);
}

/* instruction: where it is now, for the target may have become another program meanwhile. */
static void release(uint64_t instruction)
{
    int64_t pause_ns = 0;
    const char *state = "clean";
    if (twin_is_held()) {
        twin_end();
    } else if (clone_is_held()) {
        state = clone_release(instruction, &pause_ns) ? "clean" : "zombie";
    } else if (pause_is_held()) {
        pause_release(&pause_ns);
    } else if (expired) {
        pause_ns = expired_after_ns;
        state = "expired";
        expired = false;
    }
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "released %" PRId64 " %s\n", pause_ns, state);
    answer(line);
}

/* Orders about the code that runs in the clone or the twin; false when it is none of them. */
static bool obey_in_clone(const char *order)
{
    static const char *const ends[] = {"stub", "signal", "call", "limit", "memory"};
    char line[LINE_SIZE];
    struct failure failure;
    uint64_t size, address;
    int64_t limit_ns;
    struct run_end end;
    if (!clone_is_held() && !twin_is_held())
        return false;
    if (sscanf(order, "map %" SCNu64, &size) == 1) {
        if (!traverse_map(size, &address, &failure)) {
            answer_failure(&failure);
            return true;
        }
        snprintf(line, sizeof line, "mapped %" PRIu64 "\n", address);
    } else if (sscanf(order, "run %" SCNu64 " %" SCNd64, &address, &limit_ns) == 2) {
        if (!traverse_run(address, limit_ns, &end, &failure)) {
            answer_failure(&failure);
            return true;
        }
        snprintf(line, sizeof line, "ran %s %ld\n", ends[end.reason], end.number);
    } else {
        return false;
    }
    answer(line);
    return true;
}

static void obey(const char *order)
{
    char line[LINE_SIZE] = "";
    struct failure failure = {"usage", EINVAL, "unknown order, or something is already held"};
    bool done = false, holds = clone_is_held() || pause_is_held() || twin_is_held() || expired;
    pid_t pid, child;
    uint64_t instruction = 0, thread_pointer;
    int seccomp, threads, table;
    int64_t limit_ns, pause_ns;
    if (strcmp(order, "release") == 0 || sscanf(order, "release %" SCNx64, &instruction) == 1) {
        release(instruction);
        return;
    }
    if (obey_in_clone(order))
        return;
    if (!holds && sscanf(order, "freeze %d %" SCNx64 " %d", &pid, &instruction, &seccomp) == 3) {
        done = clone_freeze(pid, instruction, seccomp != 0, &child, &pause_ns, &failure);
        if (done)
            snprintf(line, sizeof line, "frozen %d %" PRId64 "\n", child, pause_ns);
    } else if (!holds && sscanf(order, "pause %d %" SCNd64, &pid, &limit_ns) == 2) {
        done = pause_target(pid, limit_ns, &threads, &failure);
        if (done)
            snprintf(line, sizeof line, "paused %d\n", threads);
    } else if (!holds && sscanf(order, "twin %d %" SCNx64, &table, &thread_pointer) == 2) {
        done = twin_make(table, thread_pointer, &child, &failure);
        if (done)
            snprintf(line, sizeof line, "twin %d\n", child);
    }
    if (done)
        answer(line);
    else
        answer_failure(&failure);
}

/* Nothing may interrupt or delay this process while a thread of the target stands. */
static void prepare(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    mlockall(MCL_CURRENT | MCL_FUTURE);
    setpriority(PRIO_PROCESS, 0, -20);
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!write(file, "-1000", 5); /* allowed to root only */
        close(file);
    }
}

static int idle_ms(void)
{
    int limit = settle_late() > 0 ? LATE_MS : IDLE_MS;
    int64_t remaining = (pause_deadline() - now_ns()) / 1000000;
    return remaining < 0 ? 0 : remaining < limit ? (int)remaining : limit;
}

/* Obey the whole lines in the buffer, keep the rest; returns how many bytes are kept. */
static size_t obey_lines(char *buffer, size_t length)
{
    char *start = buffer, *end;
    while ((end = memchr(start, '\n', length - (size_t)(start - buffer))) != NULL) {
        *end = 0;
        obey(start);
        start = end + 1;
    }
    length -= (size_t)(start - buffer);
    memmove(buffer, start, length);
    return length < LINE_SIZE - 1 ? length : 0; /* no order is that long */
}

int main(void)
{
    prepare();
    const pid_t parent = getppid();
    char buffer[LINE_SIZE];
    size_t length = 0;
    while (getppid() == parent) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&input, 1, idle_ms());
        if (pause_deadline() <= now_ns()) {
            pause_release(&expired_after_ns);
            expired = true;
        }
        if (ready <= 0)
            continue;
        ssize_t received = read(STDIN_FILENO, buffer + length, sizeof buffer - 1 - length);
        if (received <= 0)
            break;
        length = obey_lines(buffer, length + (size_t)received);
    }
    if (clone_is_held() || pause_is_held() || twin_is_held())
        release(0);
    return 0;
}
