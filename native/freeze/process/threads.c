#include "freeze/process/threads.h"

#include "freeze/calls/finish_calls.h"
#include "freeze/process/proc_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 512, PATH_SIZE = 64 };

static struct thread_list late;

int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Blocked reads of sockets are left alone: a timeout of theirs (SO_RCVTIMEO) would be lost, and
 * cannot be seen from outside. */
static enum moment moment_of_read(pid_t pid, uint64_t descriptor) {
    char path[PATH_SIZE];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, (int)descriptor);
    if (stat(path, &status) != 0) return IN_LOSING_CALL;
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) return IN_SAFE_CALL;
    char kind[PATH_SIZE];
    ssize_t length = readlink(path, kind, sizeof kind - 1);
    kind[length > 0 ? length : 0] = 0;
    bool restarts = strcmp(kind, "anon_inode:[eventfd]") == 0 ||
                    strcmp(kind, "anon_inode:[timerfd]") == 0 ||
                    strcmp(kind, "anon_inode:[signalfd]") == 0;
    return restarts ? IN_SAFE_CALL : IN_LOSING_CALL;
}

static enum moment moment_of_call(pid_t pid, const char *call) {
    uint64_t arguments[CALL_ARGUMENTS] = {0};
    long number = 0;
    if (sscanf(call, "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
               &number, &arguments[0], &arguments[1], &arguments[2], &arguments[3], &arguments[4],
               &arguments[5]) < 1 + CALL_ARGUMENTS)
        return RUNNING; /* "running" */
    switch (arch_call_kind(number, arguments)) {
    case CALL_RESTARTS: return IN_SAFE_CALL;
    case CALL_ENDLESS: return IN_ENDLESS_CALL;
    case CALL_READS: return moment_of_read(pid, arguments[0]);
    case CALL_MOVES: return IN_MOVING_CALL;
    default: return IN_LOSING_CALL;
    }
}

enum moment look_at_thread(pid_t pid, pid_t tid) {
    char call[LINE_SIZE];
    const char state = thread_state(pid, tid);
    if (state == 0 || strchr("ZXx", state) != NULL) return ENDED;
    if (state == 'D') return IN_STATE_D;
    if (state == 'T' || state == 't') /* whatever the stop did to a call is done */
        return IN_SAFE_CALL;
    if (!read_task_file(pid, tid, "syscall", call, sizeof call))
        return RUNNING; /* kernels without the file, or it is ending */
    if (strncmp(call, "-1", 2) == 0) return IN_SAFE_CALL; /* blocked, but in no call */
    return moment_of_call(pid, call);
}

struct listing {
    pid_t pid;
    bool first_safe;
    int count;
};

static struct standing found[MAX_THREADS];

static bool add_thread(pid_t tid, void *context) {
    struct listing *listing = context;
    enum moment seen = look_at_thread(listing->pid, tid);
    if (seen != ENDED) found[listing->count++] = (struct standing){tid, seen};
    return listing->count < MAX_THREADS && !(listing->first_safe && seen == IN_SAFE_CALL);
}

bool list_threads(pid_t pid, bool first_safe, struct thread_list *list) {
    struct listing listing = {.pid = pid, .first_safe = first_safe};
    list->count = 0;
    if (!each_thread(pid, add_thread, &listing)) return false;
    for (int moment = 0; moment < MOMENTS; moment++)
        for (int i = 0; i < listing.count; i++)
            if (found[i].seen == (enum moment)moment) list->threads[list->count++] = found[i];
    return list->count > 0;
}

/* Take a thread off the late ones: it is seized and asked to stop already. */
static bool take_late(pid_t tid) {
    for (int i = 0; i < late.count; i++)
        if (late.threads[i].tid == tid) {
            late.threads[i] = late.threads[--late.count];
            return true;
        }
    return false;
}

enum stop request_stop(pid_t tid) {
    if (take_late(tid)) return THREAD_STOPPED;
    /* No options yet: an event of the target's own fork must not reach us. Never EXITKILL here. */
    if (traced(PTRACE_SEIZE, tid, 0, 0) != 0) return errno == ESRCH ? THREAD_GONE : THREAD_REFUSED;
    return traced(PTRACE_INTERRUPT, tid, 0, 0) == 0 ? THREAD_STOPPED : THREAD_GONE;
}

int await_change(pid_t tid, int *status, int64_t deadline) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        pid_t changed = waitpid(tid, status, __WALL | WNOHANG);
        if (changed != 0) return changed > 0 ? 1 : -1;
        int64_t remaining = deadline - now_ns();
        if (remaining <= 0) return 0;
        struct timespec limit = {.tv_sec = remaining / 1000000000,
                                 .tv_nsec = remaining % 1000000000};
        sigtimedwait(&child, NULL, &limit); /* all signals are blocked, so none is missed */
    }
}

enum stop await_stop(pid_t tid, int64_t deadline) {
    for (;;) {
        int status;
        int change = await_change(tid, &status, deadline);
        if (change == 0) return THREAD_LATE;
        if (change < 0 || !WIFSTOPPED(status)) return THREAD_GONE;
        if (status >> 16 == SEIZED_STOP) return THREAD_STOPPED;
        /* A signal was already on its way: deliver it. Any stop cancels the request to stop, so
         * ask again first; the thread then stands before the first instruction of the handler. */
        traced(PTRACE_INTERRUPT, tid, 0, 0);
        traced(PTRACE_CONT, tid, 0, (uintptr_t)WSTOPSIG(status));
    }
}

void mend_call(struct standing thread, struct arch_state *state) {
    arch_mend_interrupted_call(thread.tid, state, thread.seen == RUNNING);
}

void let_go(struct standing thread) {
    struct arch_state state, mended;
    if (arch_get(thread.tid, &state) == 0) {
        const bool may_be_partial = thread.seen == RUNNING || thread.seen == IN_MOVING_CALL;
        if (may_be_partial && finish_call(thread.tid, &state)) return;
        mended = state;
        mend_call(thread, &mended);
        if (memcmp(&mended, &state, sizeof state) != 0) arch_set(thread.tid, &mended);
    }
    if (traced(PTRACE_DETACH, thread.tid, 0, 0) != 0)
        keep_late(thread); /* killed meanwhile: its parent hears of it when we have waited for it */
}

void keep_late(struct standing thread) {
    if (late.count < MAX_THREADS) late.threads[late.count++] = thread;
}

int settle_late(void) {
    int kept = 0;
    for (int i = 0; i < late.count; i++) {
        enum stop stop = await_stop(late.threads[i].tid, 0);
        if (stop == THREAD_STOPPED)
            let_go(late.threads[i]);
        else if (stop == THREAD_LATE)
            late.threads[kept++] = late.threads[i];
    }
    late.count = kept;
    return kept;
}
