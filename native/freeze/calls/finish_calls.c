#include "freeze/calls/finish_calls.h"

#include "freeze/process/threads.h"

#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { CALL_STOP = SIGTRAP | 0x80, MAX_UNFINISHED = 1024 };

static struct {
    int count;
    struct unfinished {
        pid_t tid;
        bool entered, interrupted;
        struct arch_state stopped;
    } calls[MAX_UNFINISHED];
} unfinished;

bool finish_call(pid_t tid, const struct arch_state *stopped) {
    struct arch_state rest;
    if (unfinished.count == MAX_UNFINISHED || !arch_rest_of_call(stopped, &rest)) return false;
    if (traced(PTRACE_SETOPTIONS, tid, 0, PTRACE_O_TRACESYSGOOD) != 0 ||
        arch_set(tid, &rest) != 0 || traced(PTRACE_SYSCALL, tid, 0, 0) != 0)
        return false;
    unfinished.calls[unfinished.count++] = (struct unfinished){.tid = tid, .stopped = *stopped};
    return true;
}

/* The thread stands: give it the sum, and let it go with the signal that it was stopped by. */
static void end_call(struct unfinished *call, long more, int signal) {
    arch_add_rest(&call->stopped, more);
    arch_set(call->tid, &call->stopped);
    traced(PTRACE_DETACH, call->tid, 0, (uintptr_t)signal);
}

/* True when the call is still on its way. */
static bool follow(struct unfinished *call, int status) {
    struct arch_state state;
    if (!WIFSTOPPED(status)) return false;
    const int stopped_by = WSTOPSIG(status);
    if (stopped_by == CALL_STOP && !call->entered) {
        call->entered = true;
        return traced(PTRACE_SYSCALL, call->tid, 0, 0) == 0;
    }
    if (stopped_by == CALL_STOP) {
        /* A signal before the first byte of the rest: what was moved before is the result. */
        long more = arch_get(call->tid, &state) == 0 ? arch_call_result(&state) : 0;
        end_call(call, more, 0);
        return false;
    }
    /* A signal came before the rest was asked for: its handler sees a call that was cut short, as
     * it would have without us. */
    end_call(call, 0, status >> 16 == 0 ? stopped_by : 0);
    return false;
}

int settle_calls(bool give_up) {
    int kept = 0;
    for (int i = 0; i < unfinished.count; i++) {
        struct unfinished call = unfinished.calls[i];
        int status, change;
        bool waits = true;
        while (waits && (change = await_change(call.tid, &status, 0)) != 0)
            waits = change > 0 && follow(&call, status);
        if (waits && give_up && !call.interrupted)
            call.interrupted = traced(PTRACE_INTERRUPT, call.tid, 0, 0) == 0;
        if (waits) unfinished.calls[kept++] = call;
    }
    unfinished.count = kept;
    return kept;
}
