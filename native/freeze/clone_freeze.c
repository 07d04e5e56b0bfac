#include "freeze.h"

#include "group_watch.h"
#include "inject.h"
#include "threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STOP_LIMIT_NS = 50 * 1000000,
    ROUNDS = 20,
    /* The child is not meant to run. Should this process be killed before it can bind the child to
     * its own life, the child's first use of its stack ends it: this page is never mapped, and all
     * its signals are blocked, so no handler of the target runs either. */
    NO_STACK = 16,
    /* Exit signal 0: the target gets no SIGCHLD and its own waits do not see the child.
     * CLONE_FILES: no descriptor is duplicated, so peers see the target's closes at once. */
    CLONE_FLAGS = 0 | CLONE_FILES,
};

static struct {
    pid_t target;
    pid_t child;        /* 0: none is held */
    long number_inside; /* the child's pid in the target's own pid namespace */
    struct call call;
} held;

bool clone_is_held(void)
{
    return held.child != 0;
}

pid_t clone_child(struct call *call)
{
    *call = (struct call){.instruction = held.call.instruction,
                          .suspend_seccomp = held.call.suspend_seccomp,
                          .in_clone = true};
    return held.child;
}

/* Run the call in whichever thread can take it, and let that thread go again. */
static bool inject_somewhere(pid_t pid, const struct call *call, struct outcome *outcome,
                             int64_t *pause_ns, struct failure *failure)
{
    static struct thread_list list;
    *failure = (struct failure){"busy", EAGAIN, "no thread can take the call now"};
    for (int round = 0; round < ROUNDS; round++) {
        if (!list_threads(pid, &list)) {
            *failure = (struct failure){"gone", ESRCH, "the process has ended"};
            return false;
        }
        int refused = 0;
        for (int i = 0; i < list.count; i++) {
            pid_t tid = list.tids[i];
            int64_t start = now_ns();
            enum stop stop = request_stop(tid);
            if (stop == THREAD_STOPPED)
                stop = await_stop(tid, start + STOP_LIMIT_NS);
            if (stop == THREAD_REFUSED && ++refused == list.count) {
                *failure = (struct failure){"seize", errno, "the kernel refuses to trace it"};
                return false; /* fewer than all: they are just ending, which is refused too */
            }
            if (stop == THREAD_LATE)
                keep_late(tid);
            if (stop != THREAD_STOPPED)
                continue;
            enum injection injection = inject(tid, call, outcome);
            let_go(tid);
            *pause_ns = now_ns() - start;
            if (injection == INJECTED)
                return true;
            if (injection == INJECTION_DENIED) {
                *failure = (struct failure){"inject", outcome->error, "the call cannot be made"};
                return false;
            }
        }
        if (settle_late() > 0)
            return false; /* what is left is in state D: asking it twice does not help */
    }
    return false;
}

/* The child stops by itself before its first instruction. From here it ends when we end. */
static bool take_child(pid_t child)
{
    if (await_stop(child, INT64_MAX) != THREAD_STOPPED)
        return false;
    ptrace(PTRACE_SETOPTIONS, child, 0, (void *)(uintptr_t)PTRACE_O_EXITKILL);
    return true;
}

static bool make_clone(pid_t pid, int64_t *pause_ns, struct failure *failure)
{
    struct outcome outcome;
    if (!inject_somewhere(pid, &held.call, &outcome, pause_ns, failure))
        return false;
    if (outcome.result < 0) {
        *failure = (struct failure){"clone", (int)-outcome.result, "clone failed in the target"};
        return false;
    }
    *failure = (struct failure){"gone", ESRCH, "it was ended while it was being cloned"};
    if (outcome.created <= 0)
        return false; /* a seccomp filter ends the target at the call, and no clone is made */
    held.child = outcome.created;
    held.number_inside = outcome.result;
    return take_child(outcome.created);
}

bool clone_freeze(pid_t pid, uint64_t instruction, bool suspend_seccomp, pid_t *child,
                  int64_t *pause_ns, struct failure *failure)
{
    struct shortage shortage;
    int64_t unused;
    if (!watch_begin(&shortage)) {
        *failure = (struct failure){"memory", ENOMEM, "memory is short already"};
        if (shortage.place < 0)
            failure->text = "memory cannot be watched";
        return false;
    }
    held.target = pid;
    held.call = (struct call){.instruction = instruction,
                              .number = SYS_clone,
                              .arguments = {CLONE_FLAGS, NO_STACK, 0, 0},
                              .suspend_seccomp = suspend_seccomp};
    hurry(0, true);
    bool made = make_clone(pid, pause_ns, failure);
    hurry(0, false);
    *child = held.child;
    if (made)
        return true;
    if (!watch_end(&shortage))
        *failure = (struct failure){"memory", ENOMEM, "memory ran short while it was made"};
    if (held.child != 0)
        clone_release(0, &unused);
    return false;
}

bool clone_release(uint64_t instruction, int64_t *pause_ns)
{
    int status;
    *pause_ns = 0;
    kill(held.child, SIGKILL);
    do /* a stop that was reported before the kill may still be queued */
        if (await_change(held.child, &status, INT64_MAX) != 1)
            break;
    while (WIFSTOPPED(status));
    held.child = 0;

    struct call wait_for_child = held.call;
    if (instruction != 0)
        wait_for_child.instruction = instruction;
    wait_for_child.number = SYS_wait4;
    wait_for_child.arguments[0] = (uint64_t)held.number_inside;
    wait_for_child.arguments[1] = 0;
    wait_for_child.arguments[2] = __WALL | WNOHANG;
    wait_for_child.arguments[3] = 0;
    struct outcome outcome;
    struct failure failure;
    if (!inject_somewhere(held.target, &wait_for_child, &outcome, pause_ns, &failure))
        return failure.error == ESRCH; /* the target ended: init collects the child */
    return outcome.result == held.number_inside || outcome.result == -ECHILD;
}
