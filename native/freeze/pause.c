#include "freeze.h"

#include "threads.h"

#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>

enum { STOP_LIMIT_NS = 50 * 1000000, ROUNDS = 100 };

static struct {
    bool active;
    int64_t since, deadline;
    struct thread_list threads;
    bool stands[MAX_THREADS]; /* false: in state D, or ended */
} held;

bool pause_is_held(void)
{
    return held.active;
}

int64_t pause_deadline(void)
{
    return held.active ? held.deadline : INT64_MAX;
}

static bool knows(pid_t tid)
{
    for (int i = 0; i < held.threads.count; i++)
        if (held.threads.tids[i] == tid)
            return true;
    return false;
}

/* Ask the threads that are new on the list to stop; returns an errno when one was refused. */
static int request_new(const struct thread_list *list)
{
    int refused = 0;
    for (int i = 0; i < list->count && held.threads.count < MAX_THREADS; i++) {
        if (knows(list->tids[i]))
            continue;
        enum stop stop = request_stop(list->tids[i]);
        if (stop == THREAD_REFUSED)
            refused = errno;
        if (stop == THREAD_STOPPED)
            held.threads.tids[held.threads.count++] = list->tids[i];
    }
    return refused;
}

/* A thread that does not stop in time is inside the kernel (state D) and will stop before it runs
 * any code of the target, so the heap stands still all the same. */
static void await_new(int first)
{
    int64_t limit = now_ns() + STOP_LIMIT_NS;
    for (int i = first; i < held.threads.count; i++)
        held.stands[i] = await_stop(held.threads.tids[i], limit) == THREAD_STOPPED;
}

bool pause_target(pid_t pid, int64_t limit_ns, int *threads, struct failure *failure)
{
    static struct thread_list list;
    held.threads.count = 0;
    held.since = now_ns();
    held.deadline = limit_ns > 0 ? held.since + limit_ns : INT64_MAX;
    held.active = true;
    int refused = 0;
    /* A running thread can start another one before it stops: go on until none is new. A refusal
     * is final only when it stays, for a thread that is just ending is refused as well. */
    for (int round = 0; round < ROUNDS; round++) {
        int first = held.threads.count;
        refused = list_threads(pid, &list) ? request_new(&list) : 0;
        await_new(first);
        if (held.threads.count == 0 || (refused == 0 && held.threads.count == first))
            break;
    }
    if (refused == 0 && held.threads.count > 0 && held.threads.count < MAX_THREADS) {
        *threads = held.threads.count;
        return true;
    }
    if (refused != 0)
        *failure = (struct failure){"seize", refused, "the kernel refuses to trace it"};
    else if (held.threads.count == 0)
        *failure = (struct failure){"gone", ESRCH, "the process has ended"};
    else
        *failure = (struct failure){"threads", E2BIG, "it has too many threads"};
    pause_release(&limit_ns);
    return false;
}

void pause_release(int64_t *pause_ns)
{
    for (int i = 0; i < held.threads.count; i++) {
        if (held.stands[i])
            let_go(held.threads.tids[i]);
        else
            keep_late(held.threads.tids[i]);
    }
    *pause_ns = now_ns() - held.since;
    held.active = false;
}
