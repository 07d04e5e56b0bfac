#include "threads.h"

#include "arch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How well a thread is suited for an injected call. */
enum rank {
    WAITS,        /* blocked in a call that the kernel starts again by itself */
    RUNS,         /* in user code: it stops at once, and may hold the interpreter's lock */
    WOULD_NOTICE, /* blocked in a call that returns EINTR after any stop */
    SLOW,         /* state D: cannot stop before its disk or file server answers */
    RANKS,
    DEAD,
};

static struct thread_list late;

int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool read_text(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

static enum rank rank_thread(pid_t pid, pid_t tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
    if (!read_text(path, text, sizeof text))
        return DEAD;
    const char *state = strrchr(text, ')'); /* the name in brackets may hold anything */
    if (state == NULL || strlen(state) < 3 || strchr("ZXx", state[2]) != NULL)
        return DEAD;
    if (state[2] == 'D')
        return SLOW;
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
    if (!read_text(path, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return RUNS; /* "running", or "-1 ..." for stopped outside a call */
    return arch_call_ends_when_stopped(strtol(text, NULL, 10)) ? WOULD_NOTICE : WAITS;
}

bool list_threads(pid_t pid, struct thread_list *list)
{
    static pid_t found[MAX_THREADS];
    static unsigned char ranks[MAX_THREADS];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    int count = 0;
    for (struct dirent *entry; count < MAX_THREADS && (entry = readdir(folder)) != NULL;) {
        pid_t tid = atoi(entry->d_name);
        if (tid > 0) {
            ranks[count] = (unsigned char)rank_thread(pid, tid);
            found[count++] = tid;
        }
    }
    closedir(folder);
    list->count = 0;
    for (int rank = WAITS; rank < RANKS; rank++)
        for (int i = 0; i < count; i++)
            if (ranks[i] == rank)
                list->tids[list->count++] = found[i];
    return list->count > 0;
}

/* Take a thread off the late ones: it is seized and asked to stop already. */
static bool take_late(pid_t tid)
{
    for (int i = 0; i < late.count; i++)
        if (late.tids[i] == tid) {
            late.tids[i] = late.tids[--late.count];
            return true;
        }
    return false;
}

enum stop request_stop(pid_t tid)
{
    if (take_late(tid))
        return THREAD_STOPPED;
    /* No options yet: an event of the target's own fork must not reach us. Never EXITKILL here. */
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0)
        return errno == ESRCH ? THREAD_GONE : THREAD_REFUSED;
    return ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0 ? THREAD_STOPPED : THREAD_GONE;
}

int await_change(pid_t tid, int *status, int64_t deadline)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        pid_t changed = waitpid(tid, status, __WALL | WNOHANG);
        if (changed != 0)
            return changed > 0 ? 1 : -1;
        int64_t remaining = deadline - now_ns();
        if (remaining <= 0)
            return 0;
        struct timespec limit = {.tv_sec = remaining / 1000000000,
                                 .tv_nsec = remaining % 1000000000};
        sigtimedwait(&child, NULL, &limit); /* all signals are blocked, so none is missed */
    }
}

enum stop await_stop(pid_t tid, int64_t deadline)
{
    for (;;) {
        int status;
        int change = await_change(tid, &status, deadline);
        if (change == 0)
            return THREAD_LATE;
        if (change < 0 || !WIFSTOPPED(status))
            return THREAD_GONE;
        if (status >> 16 == SEIZED_STOP)
            return THREAD_STOPPED;
        /* A signal was already on its way: deliver it. Any stop cancels the request to stop, so
         * ask again first; the thread then stands before the first instruction of the handler. */
        ptrace(PTRACE_INTERRUPT, tid, 0, 0);
        ptrace(PTRACE_CONT, tid, 0, (void *)(uintptr_t)WSTOPSIG(status));
    }
}

void let_go(pid_t tid)
{
    struct arch_state state;
    if (arch_get(tid, &state) == 0) {
        struct arch_state mended = state;
        arch_mend_interrupted_call(tid, &mended);
        if (memcmp(&mended, &state, sizeof state) != 0)
            arch_set(tid, &mended);
    }
    if (ptrace(PTRACE_DETACH, tid, 0, 0) != 0)
        keep_late(tid); /* killed meanwhile: its parent hears of it when we have waited for it */
}

void keep_late(pid_t tid)
{
    if (late.count < MAX_THREADS)
        late.tids[late.count++] = tid;
}

int settle_late(void)
{
    int kept = 0;
    for (int i = 0; i < late.count; i++) {
        enum stop stop = await_stop(late.tids[i], 0);
        if (stop == THREAD_STOPPED)
            let_go(late.tids[i]);
        else if (stop == THREAD_LATE)
            late.tids[kept++] = late.tids[i];
    }
    late.count = kept;
    return kept;
}
