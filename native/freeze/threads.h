/* Threads of the target: find them, stop one, let it go. */
#ifndef HEAPGRAPH_FREEZE_THREADS_H
#define HEAPGRAPH_FREEZE_THREADS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_THREADS = 4096 };

/* Newer than the C library of the oldest system this is built on. */
#define SEIZED_STOP 128                 /* PTRACE_EVENT_STOP */
#define OPTION_SUSPEND_SECCOMP (1 << 21) /* PTRACE_O_SUSPEND_SECCOMP */

enum stop {
    THREAD_STOPPED, /* it stands, inside the kernel's signal path */
    THREAD_LATE,    /* it did not stop in time (state D); it is still seized, see keep_late */
    THREAD_GONE,    /* it ended */
    THREAD_REFUSED, /* the kernel does not let us trace it; errno says why */
};

struct thread_list {
    int count;
    pid_t tids[MAX_THREADS];
};

int64_t now_ns(void);

/* Fill `list` with the live threads of `pid`, those best suited for an injected call first.
 * Returns false when there is no such process. Runs before anything is stopped. */
bool list_threads(pid_t pid, struct thread_list *list);

/* Begin to stop a thread: THREAD_STOPPED means asked, not yet stopped. */
enum stop request_stop(pid_t tid);

/* Wait until it stands. `deadline` is a time of now_ns. */
enum stop await_stop(pid_t tid, int64_t deadline);

/* Wait for any change of a thread: 1 and its status, 0 at the deadline, -1 when it is gone. */
int await_change(pid_t tid, int *status, int64_t deadline);

/* Let a stopped thread go on with what it did. */
void let_go(pid_t tid);

/* A thread in state D cannot be let go before it has stopped: remember it, and let it go as soon
 * as it has. Both are cheap; settle_late returns how many are still waited for. */
void keep_late(pid_t tid);
int settle_late(void);

#endif
