/* Threads of the target: find them, see what they do, stop one, let it go. */
#ifndef HEAPGRAPH_FREEZE_THREADS_H
#define HEAPGRAPH_FREEZE_THREADS_H

#include "freeze/arch/arch.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_THREADS = 16384 };

/* Newer than the C library of the oldest system this is built on. */
#define SEIZED_STOP 128                  /* PTRACE_EVENT_STOP */
#define OPTION_SUSPEND_SECCOMP (1 << 21) /* PTRACE_O_SUSPEND_SECCOMP */

enum stop {
    THREAD_STOPPED, /* it stands, inside the kernel's signal path */
    THREAD_LATE,    /* it did not stop in time (state D); it is still seized, see keep_late */
    THREAD_GONE,    /* it ended */
    THREAD_REFUSED, /* the kernel does not let us trace it; errno says why */
};

/* What a thread does, the gentlest to stop first. */
enum moment {
    IN_SAFE_CALL,    /* blocked in a call that goes on after a stop, or stopped already */
    IN_ENDLESS_CALL, /* blocked in one that can be made again */
    RUNNING,         /* in its own code, or on its way through the kernel */
    IN_MOVING_CALL,  /* blocked in a write whose rest can be written for it */
    IN_LOSING_CALL,  /* blocked in one that would return early: not to be stopped now */
    IN_STATE_D,      /* cannot stop before its disk or file server answers */
    MOMENTS,
    ENDED,
};

/* A thread that was asked to stop, and what it did then. */
struct standing {
    pid_t tid;
    enum moment seen;
};

struct thread_list {
    int count;
    struct standing threads[MAX_THREADS];
};

int64_t now_ns(void);

/* ptrace(), counted: the tests end this process before any of its calls (see main.c). */
long traced(int request, pid_t tid, uintptr_t address, uintptr_t data);

/* Fill `list` with the live threads of `pid`, those gentlest to stop first; with `first_safe` it
 * may end with the first that is in a safe call. False when there is no such process. */
bool list_threads(pid_t pid, bool first_safe, struct thread_list *list);
enum moment look_at_thread(pid_t pid, pid_t tid);

/* Begin to stop a thread: THREAD_STOPPED means asked, not yet stopped. */
enum stop request_stop(pid_t tid);

/* Wait until it stands. `deadline` is a time of now_ns. */
enum stop await_stop(pid_t tid, int64_t deadline);

/* Wait for any change of a thread: 1 and its status, 0 at the deadline, -1 when it is gone. */
int await_change(pid_t tid, int *status, int64_t deadline);

/* Amend what the stop did to the call it interrupted, in the registers of a thread that stands. */
void mend_call(struct standing thread, struct arch_state *state);

/* Let a stopped thread go on with what it did. */
void let_go(struct standing thread);

/* A thread in state D cannot be let go before it has stopped: remember it, and let it go as soon
 * as it has. Both are cheap; settle_late returns how many are still waited for. */
void keep_late(struct standing thread);
int settle_late(void);

#endif
