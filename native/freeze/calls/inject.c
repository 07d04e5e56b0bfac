#include "freeze/calls/inject.h"

#include "freeze/arch/rseq.h"
#include "freeze/process/threads.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum {
    RSEQ_SECTION = 8, /* struct rseq: rseq_cs */
    SECTION_START = 8,
    SECTION_LENGTH = 16, /* struct rseq_cs: start_ip, post_commit_offset */
    MAX_RETRIES = 16,
};

static uint64_t peek(pid_t tid, uint64_t address) {
    errno = 0;
    return (uint64_t)traced(PTRACE_PEEKDATA, tid, address, 0);
}

bool in_restartable_sequence(pid_t tid, uint64_t program_counter) {
    struct rseq_configuration rseq = {0};
    if (traced(GET_RSEQ_CONFIGURATION, tid, sizeof rseq, (uintptr_t)&rseq) <= 0 || rseq.area == 0)
        return false;
    uint64_t section = peek(tid, rseq.area + RSEQ_SECTION);
    if (errno != 0 || section == 0) return false;
    return program_counter - peek(tid, section + SECTION_START) <
           peek(tid, section + SECTION_LENGTH);
}

bool get_signal_mask(pid_t tid, uint64_t *mask) {
    return traced(PTRACE_GETSIGMASK, tid, SIGNAL_MASK_SIZE, (uintptr_t)mask) == 0;
}

bool set_signal_mask(pid_t tid, uint64_t mask) {
    return traced(PTRACE_SETSIGMASK, tid, SIGNAL_MASK_SIZE, (uintptr_t)&mask) == 0;
}

static bool makes_child(int event) {
    return event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_FORK;
}

/* Run to the end of the next system call. Only a signal that no mask holds back can come between:
 * SIGSTOP is passed on (its stop is then the next one), a fault means the call was impossible. */
static enum injection run_once(pid_t tid, on_created created, void *context,
                               struct outcome *outcome) {
    bool entered = false;
    uintptr_t signal = 0;
    for (;;) {
        if (traced(PTRACE_SYSCALL, tid, 0, signal) != 0) return INJECTION_GONE;
        int status;
        if (await_change(tid, &status, INT64_MAX) != 1 || !WIFSTOPPED(status))
            return INJECTION_GONE;
        signal = 0;
        int stopped_by = WSTOPSIG(status), event = status >> 16;
        if (stopped_by == (SIGTRAP | 0x80)) {
            if (entered) return INJECTED;
            entered = true;
        } else if (makes_child(event)) {
            unsigned long pid = 0;
            traced(PTRACE_GETEVENTMSG, tid, 0, (uintptr_t)&pid);
            outcome->created = (pid_t)pid;
            if (created != NULL) created((pid_t)pid, context);
        } else if (event == 0) {
            if (stopped_by != SIGSTOP) return INJECTION_DENIED;
            signal = SIGSTOP;
        }
    }
}

enum injection enter_signal_path(pid_t tid) {
    traced(PTRACE_INTERRUPT, tid, 0, 0);
    traced(PTRACE_CONT, tid, 0, 0);
    return await_stop(tid, INT64_MAX) == THREAD_STOPPED ? INJECTED : INJECTION_GONE;
}

enum injection run_call(pid_t tid, const struct arch_state *prepared, on_created created,
                        void *context, struct outcome *outcome) {
    for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
        if (arch_set(tid, prepared) != 0) return INJECTION_GONE;
        enum injection run = run_once(tid, created, context, outcome);
        if (run == INJECTION_DENIED) outcome->error = EFAULT;
        struct arch_state after;
        if (run != INJECTED) return run;
        if (arch_get(tid, &after) != 0) return INJECTION_GONE;
        outcome->result = arch_call_result(&after);
        /* A stop signal to the whole process makes clone give up before it began. */
        if (outcome->result != -ERESTARTNOINTR) return INJECTED;
    }
    outcome->result = -EAGAIN;
    return INJECTED;
}

enum injection inject(pid_t tid, const struct call *call, struct outcome *outcome) {
    *outcome = (struct outcome){.error = EFAULT};
    struct arch_state saved;
    uint64_t mask;
    if (arch_get(tid, &saved) != 0) return INJECTION_GONE;
    if (!arch_is_call_instruction(peek(tid, call->instruction)) || errno != 0)
        return INJECTION_DENIED;
    uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (call->suspend_seccomp) options |= OPTION_SUSPEND_SECCOMP;
    if (traced(PTRACE_SETOPTIONS, tid, 0, options) != 0) {
        outcome->error = errno;
        return errno == ESRCH ? INJECTION_GONE : INJECTION_DENIED;
    }
    if (!get_signal_mask(tid, &mask) || !set_signal_mask(tid, ~(uint64_t)0)) return INJECTION_GONE;
    struct arch_state prepared = saved;
    arch_prepare_call(&prepared, call->instruction, call->number, call->arguments);
    enum injection run = run_call(tid, &prepared, NULL, NULL, outcome);
    if (run == INJECTED) run = enter_signal_path(tid);
    if (run == INJECTION_GONE || arch_set(tid, &saved) != 0 || !set_signal_mask(tid, mask))
        return INJECTION_GONE;
    return run;
}
