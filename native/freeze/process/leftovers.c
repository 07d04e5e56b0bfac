#include "freeze/process/leftovers.h"

#include "freeze/calls/healed_calls.h"
#include "freeze/hold/freeze.h"
#include "freeze/process/proc_files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    TEXT_SIZE = 4096,
    EXIT_SIGNAL_FIELD = 36,
    EXIT_CODE_FIELD = 50,
    PATIENCE_NS = 200 * 1000000
};

static enum injection wait_for_child(struct patient *patient, void *context,
                                     struct outcome *outcome) {
    const uint64_t arguments[CALL_ARGUMENTS] = {(uint64_t)*(long *)context, 0,
                                                (uint64_t)(__WALL | WNOHANG), 0};
    return healed_call(patient, SYS_wait4, arguments, HOME, NULL, NULL, outcome);
}

bool forget_child(pid_t target, long number_inside, int64_t *pause_ns) {
    struct outcome outcome = {0};
    struct failure failure;
    if (!treat_some_thread(target, false, PATIENCE_NS, wait_for_child, &number_inside, &outcome,
                           pause_ns, &failure))
        return failure.error == ESRCH; /* the target ended: init collects the child */
    return outcome.result == number_inside || outcome.result == -ECHILD;
}

/* The last number of the line NSpid: what the process is called in its own namespace; 0 unknown. */
static long number_in_namespace(pid_t pid) {
    char text[TASK_STATUS_SIZE];
    if (!read_status(pid, pid, text, sizeof text)) return 0;
    const char *line = strstr(text, "\nNSpid:");
    if (line == NULL) return 0;
    long number = 0;
    char *at = strchr(line + 1, ':') + 1, *next;
    for (long value; *at != '\n' && (value = strtol(at, &next, 10), next != at); at = next)
        number = value;
    return number;
}

bool is_first_of_namespace(pid_t pid) { return number_in_namespace(pid) == 1; }

/* A field of /proc/PID/stat, counted from the state as 0. */
static long stat_field(const char *stat, int field) {
    const char *at = strrchr(stat, ')');
    for (; at != NULL && field >= 0; field--) at = strchr(at + 1, ' ');
    return at == NULL ? -1 : strtol(at, NULL, 10);
}

/* A clone of ours that was killed with its tracer: a zombie that no process is notified of. A
 * program's own children without a signal at their end are rare, and those it waits for itself are
 * not killed. */
static bool is_leftover(pid_t child) {
    char stat[TEXT_SIZE];
    return thread_state(child, child) == 'Z' &&
           read_task_file(child, child, "stat", stat, sizeof stat) &&
           stat_field(stat, EXIT_SIGNAL_FIELD - 1) == 0 &&
           stat_field(stat, EXIT_CODE_FIELD - 1) == SIGKILL;
}

struct reaping {
    pid_t pid;
    int reaped;
};

static bool reap_of_thread(pid_t tid, void *context) {
    struct reaping *reaping = context;
    char children[TEXT_SIZE];
    int64_t pause_ns;
    if (!read_task_file(reaping->pid, tid, "children", children, sizeof children)) return true;
    char *next = children;
    for (long child; (child = strtol(next, &next, 10)) > 0;)
        if (is_leftover((pid_t)child))
            reaping->reaped +=
                forget_child(reaping->pid, number_in_namespace((pid_t)child), &pause_ns);
    return true;
}

int reap_leftovers(pid_t pid) {
    struct reaping reaping = {.pid = pid};
    each_thread(pid, reap_of_thread, &reaping);
    return reaping.reaped;
}
