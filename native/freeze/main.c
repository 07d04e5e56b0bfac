/* heapgraph_freeze: has the memory of a process of one moment, on orders from standard input.
 *
 * A program of its own because ptrace belongs to one thread, and because whatever happens to the
 * program that reads the memory, this one still lets the target go. One order a line, one answer:
 *
 *   watch PID                        watching THREADS          (none of them runs)
 *   prove                            proved YES                (1: none has run since, else 0)
 *   freeze PID                       frozen CHILD NANOSECONDS
 *   pause PID LIMIT_NS               paused THREADS            (LIMIT_NS 0: no limit)
 *   twin TABLE THREAD_POINTER        twin CHILD                (see twin.h; TABLE: a descriptor)
 *   map BYTES                        mapped ADDRESS            (memory and the stub in the clone,
 *                                                               or in the twin)
 *   run CONTROL LIMIT_NS             ran END NUMBER            (CONTROL 0: go on)
 *                                    END: stub | signal | call | limit | memory, see traverse.h
 *   release                          released NANOSECONDS STATE
 *                                    STATE: clean | zombie | expired (the limit came first) |
 *                                    moved (a thread that was left asleep woke up) |
 *                                    short:PLACE:LEFT (memory ran short there, with so many bytes
 *                                    left, and the clone was ended)
 *   reap PID                         reaped NUMBER             (children that killed runs have
 * left) any                              error CODE ERRNO TEXT CODE: usage, seize, inject, seccomp,
 * stack, section, code, clone, busy, gone, threads, map, twin, memory (short, or not to be watched)
 *
 * Each argument is a place whose memory is watched while a clone is held, see watch_add.
 * The end of standard input, or of the parent, releases whatever is held and ends the program; a
 * clone also ends with the target, and when the parent is stopped for long.
 *
 * For the tests: with HEAPGRAPH_FREEZE_DIES_AT=N it kills itself before its Nth call of ptrace. */
#include "freeze/calls/finish_calls.h"
#include "freeze/hold/freeze.h"
#include "freeze/hold/group_watch.h"
#include "freeze/hold/guard.h"
#include "freeze/process/proc_files.h"
#include "freeze/process/stillness.h"
#include "freeze/process/threads.h"
#include "freeze/twin/traverse.h"
#include "freeze/twin/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <unistd.h>

enum { IDLE_MS = 1000, PAUSE_MS = 200, LATE_MS = 5, LINE_SIZE = 256 };

#define STOPPED_LIMIT_NS INT64_C(10000000000)
#define FINISH_LIMIT_NS INT64_C(10000000000)

static bool expired; /* the pause was ended by its limit */
static int64_t expired_after_ns;

static void answer(const char *line) {
    size_t length = strlen(line);
    while (length > 0) { /* a closed pipe shows up as the end of standard input */
        ssize_t written = write(STDOUT_FILENO, line, length);
        if (written <= 0) return;
        line += written;
        length -= (size_t)written;
    }
}

static void answer_failure(const struct failure *failure) {
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "error %s %d %s\n", failure->code, failure->error, failure->text);
    answer(line);
}

static void release(void) {
    int64_t pause_ns = 0;
    const char *state = "clean";
    char shortage_text[LINE_SIZE / 2];
    struct shortage shortage;
    if (twin_is_held()) {
        twin_end();
    } else if (clone_is_held()) {
        bool in_time = watch_end(&shortage);
        state = clone_release(&pause_ns) ? "clean" : "zombie";
        if (!in_time) {
            snprintf(shortage_text, sizeof shortage_text, "short:%d:%" PRId64, shortage.place,
                     shortage.left);
            state = shortage_text;
        }
    } else if (pause_is_held()) {
        state = pause_release(&pause_ns) ? "clean" : "moved";
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
static bool obey_in_clone(const char *order) {
    static const char *const ends[] = {"stub", "signal", "call", "limit", "memory"};
    char line[LINE_SIZE];
    struct failure failure;
    uint64_t size, address;
    int64_t limit_ns;
    struct run_end end;
    if (!clone_is_held() && !twin_is_held()) return false;
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

/* Orders that hold something; false when it is none of them, or it failed. */
static bool obey_freeze(const char *order, char *line, struct failure *failure) {
    pid_t pid, child;
    int threads, table;
    uint64_t thread_pointer;
    int64_t limit_ns, pause_ns;
    if (clone_is_held() || pause_is_held() || twin_is_held() || expired) return false;
    if (sscanf(order, "twin %d %" SCNx64, &table, &thread_pointer) == 2) {
        if (!twin_make(table, thread_pointer, &child, failure)) return false;
        snprintf(line, LINE_SIZE, "twin %d\n", child);
        return true;
    }
    if (sscanf(order, "freeze %d", &pid) == 1) {
        if (!clone_freeze(pid, &child, &pause_ns, failure)) return false;
        snprintf(line, LINE_SIZE, "frozen %d %" PRId64 "\n", child, pause_ns);
        return true;
    }
    if (sscanf(order, "pause %d %" SCNd64, &pid, &limit_ns) == 2) {
        if (!pause_target(pid, limit_ns, &threads, failure)) return false;
        snprintf(line, LINE_SIZE, "paused %d\n", threads);
        return true;
    }
    return false;
}

static void obey(const char *order) {
    char line[LINE_SIZE] = "";
    struct failure failure = {"usage", EINVAL, "unknown order, or something is already held"};
    pid_t pid;
    int threads;
    if (strcmp(order, "release") == 0) {
        release();
        return;
    }
    if (strcmp(order, "prove") == 0) {
        snprintf(line, sizeof line, "proved %d\n", was_still());
    } else if (sscanf(order, "reap %d", &pid) == 1) {
        snprintf(line, sizeof line, "reaped %d\n", reap_leftovers(pid));
    } else if (sscanf(order, "watch %d", &pid) == 1) {
        failure = (struct failure){"busy", EAGAIN, "one of its threads runs"};
        if (begin_stillness(pid, &threads)) snprintf(line, sizeof line, "watching %d\n", threads);
    } else if (obey_in_clone(order)) {
        return;
    } else if (!obey_freeze(order, line, &failure)) {
        line[0] = 0;
    }
    if (line[0] != 0)
        answer(line);
    else
        answer_failure(&failure);
}

/* ptrace(), counted. */
static long dies_at;

long traced(int request, pid_t tid, uintptr_t address, uintptr_t data) {
    if (dies_at > 0 && --dies_at == 0) kill(getpid(), SIGKILL);
    return ptrace(request, tid, (void *)address, (void *)data);
}

/* Nothing may interrupt or delay this process while a thread of the target stands. */
static void prepare(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    mlockall(MCL_CURRENT | MCL_FUTURE);
    setpriority(PRIO_PROCESS, 0, -20);
    const char *step = getenv("HEAPGRAPH_FREEZE_DIES_AT");
    dies_at = step == NULL ? 0 : atol(step);
}

/* The parent was stopped (Ctrl-Z) and takes no orders back: a clone would stay for ever. */
static bool parent_stopped_for_long(pid_t parent) {
    static int64_t since;
    if (!clone_is_held() || thread_state(parent, parent) != 'T')
        since = 0;
    else if (since == 0)
        since = now_ns();
    return since != 0 && now_ns() - since > STOPPED_LIMIT_NS;
}

/* How long to wait for orders. While threads of the target stand, or will, this process must come
 * back here in time, or it is killed: see guard.h. */
static int idle_ms(void) {
    const bool stand = settle_late() + settle_calls(false) > 0;
    int limit = stand ? LATE_MS : pause_is_held() ? PAUSE_MS : IDLE_MS;
    const int64_t left_ns = pause_deadline() - now_ns();
    if (stand || pause_is_held())
        guard_for(left_ns > GUARD_NS - PAUSE_GRACE_NS ? GUARD_NS
                  : left_ns > 0                       ? left_ns + PAUSE_GRACE_NS
                                                      : PAUSE_GRACE_NS);
    const int64_t remaining = left_ns / 1000000;
    return remaining < 0 ? 0 : remaining < limit ? (int)remaining : limit;
}

/* Obey the whole lines in the buffer, keep the rest; returns how many bytes are kept. */
static size_t obey_lines(char *buffer, size_t length) {
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

/* End what must not last: a pause at its limit, a clone whose target has ended or whose parent
 * sleeps. */
static void end_what_is_over(pid_t parent, bool target_ended) {
    int64_t unused;
    struct shortage shortage;
    if (pause_deadline() <= now_ns()) {
        pause_release(&expired_after_ns);
        expired = true;
    }
    if (clone_is_held() && (target_ended || parent_stopped_for_long(parent))) {
        watch_end(&shortage);
        clone_release(&unused);
    }
}

/* Give threads whose calls are being finished the time for it, and let all go. */
static void finish(void) {
    if (clone_is_held() || pause_is_held() || twin_is_held()) release();
    const int64_t deadline = now_ns() + FINISH_LIMIT_NS;
    for (;;) {
        guard_for(GUARD_NS); /* what comes late stands until we let it go */
        if (settle_late() + settle_calls(now_ns() > deadline) == 0 ||
            now_ns() >= deadline + FINISH_LIMIT_NS)
            break;
        poll(NULL, 0, LATE_MS);
    }
    guard_end();
}

int main(int count, char **places) {
    prepare();
    for (int i = 1; i < count; i++)
        if (!watch_add(places[i])) return 2;
    const pid_t parent = getppid();
    char buffer[LINE_SIZE];
    size_t length = 0;
    while (getppid() == parent) {
        struct pollfd inputs[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                  {.fd = clone_target(), .events = POLLIN}};
        int ready = poll(inputs, 2, idle_ms());
        if (!pause_is_held())
            guard_end(); /* an order in a clone may take longer; what comes late waits for us */
        end_what_is_over(parent, ready > 0 && inputs[1].revents != 0);
        if (ready <= 0 || inputs[0].revents == 0) continue;
        ssize_t received = read(STDIN_FILENO, buffer + length, sizeof buffer - 1 - length);
        if (received <= 0) break;
        length = obey_lines(buffer, length + (size_t)received);
    }
    finish();
    return 0;
}
