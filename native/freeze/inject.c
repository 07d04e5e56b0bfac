#include "inject.h"

#include "rseq.h"
#include "threads.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum {
    RSEQ_SECTION = 8,                     /* struct rseq: rseq_cs */
    SECTION_START = 8, SECTION_LENGTH = 16, /* struct rseq_cs: start_ip, post_commit_offset */
    MASK_SIZE = 8,
    MAX_RETRIES = 16,
};

static uint64_t peek(pid_t tid, uint64_t address)
{
    errno = 0;
    return (uint64_t)ptrace(PTRACE_PEEKDATA, tid, (void *)address, 0);
}

/* Inside a restartable sequence (per-CPU caches of some allocators) the program counter must not be
 * moved: the kernel would no longer see that the sequence was interrupted, and not restart it. */
static bool in_restartable_sequence(pid_t tid, uint64_t program_counter)
{
    struct rseq_configuration rseq = {0};
    if (ptrace(GET_RSEQ_CONFIGURATION, tid, (void *)sizeof rseq, &rseq) <= 0 || rseq.area == 0)
        return false;
    uint64_t section = peek(tid, rseq.area + RSEQ_SECTION);
    if (errno != 0 || section == 0)
        return false;
    return program_counter - peek(tid, section + SECTION_START) <
           peek(tid, section + SECTION_LENGTH);
}

/* Run to the end of the next system call. Only a signal that no mask holds back can come between:
 * SIGSTOP is passed on (its stop is then the next one), a fault means the call was impossible. */
static enum injection run_call(pid_t tid, pid_t *created)
{
    bool entered = false;
    uintptr_t signal = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, tid, 0, (void *)signal) != 0)
            return INJECTION_GONE;
        int status;
        if (await_change(tid, &status, INT64_MAX) != 1 || !WIFSTOPPED(status))
            return INJECTION_GONE;
        signal = 0;
        int stopped_by = WSTOPSIG(status), event = status >> 16;
        if (stopped_by == (SIGTRAP | 0x80)) {
            if (entered)
                return INJECTED;
            entered = true;
        } else if (event == PTRACE_EVENT_CLONE) {
            unsigned long pid = 0;
            ptrace(PTRACE_GETEVENTMSG, tid, 0, &pid);
            *created = (pid_t)pid;
        } else if (event == 0) {
            if (stopped_by != SIGSTOP)
                return INJECTION_DENIED;
            signal = SIGSTOP;
        }
    }
}

/* From the end of the call into the signal path, where the kernel looks at the registers of an
 * interrupted call before it goes on: there they are put back. */
static enum injection enter_signal_path(pid_t tid)
{
    ptrace(PTRACE_INTERRUPT, tid, 0, 0);
    ptrace(PTRACE_CONT, tid, 0, 0);
    return await_stop(tid, INT64_MAX) == THREAD_STOPPED ? INJECTED : INJECTION_GONE;
}

static enum injection run_until_done(pid_t tid, const struct arch_state *prepared,
                                     struct outcome *outcome)
{
    for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
        if (arch_set(tid, prepared) != 0)
            return INJECTION_GONE;
        enum injection run = run_call(tid, &outcome->created);
        if (run == INJECTION_DENIED)
            outcome->error = EFAULT;
        struct arch_state after;
        if (run != INJECTED)
            return run;
        if (arch_get(tid, &after) != 0)
            return INJECTION_GONE;
        outcome->result = arch_call_result(&after);
        /* A stop signal to the whole process makes clone give up before it began. */
        if (outcome->result != -ERESTARTNOINTR)
            return enter_signal_path(tid);
    }
    outcome->result = -EAGAIN;
    return enter_signal_path(tid);
}

enum injection inject(pid_t tid, const struct call *call, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    struct arch_state saved;
    if (arch_get(tid, &saved) != 0)
        return INJECTION_GONE;
    outcome->error = ENOEXEC;
    if (!arch_is_native(&saved))
        return INJECTION_DENIED;
    outcome->error = EFAULT;
    if (!arch_is_call_instruction(peek(tid, call->instruction)) || errno != 0)
        return INJECTION_DENIED;
    if (in_restartable_sequence(tid, arch_program_counter(&saved)))
        return INJECTION_BUSY;

    uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
    if (call->suspend_seccomp)
        options |= OPTION_SUSPEND_SECCOMP;
    if (call->in_clone)
        options |= PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, tid, 0, (void *)options) != 0) {
        outcome->error = errno;
        return errno == ESRCH ? INJECTION_GONE : INJECTION_DENIED;
    }
    uint64_t mask, all = ~(uint64_t)0;
    if (ptrace(PTRACE_GETSIGMASK, tid, (void *)(uintptr_t)MASK_SIZE, &mask) != 0 ||
        ptrace(PTRACE_SETSIGMASK, tid, (void *)(uintptr_t)MASK_SIZE, &all) != 0)
        return INJECTION_GONE;

    struct arch_state prepared = saved;
    arch_prepare_call(&prepared, call->instruction, call->number, call->arguments);
    enum injection run = run_until_done(tid, &prepared, outcome);
    if (run == INJECTION_GONE)
        return run;
    if (arch_set(tid, &saved) != 0 ||
        ptrace(PTRACE_SETSIGMASK, tid, (void *)(uintptr_t)MASK_SIZE, &mask) != 0)
        return INJECTION_GONE;
    return run;
}
