/* aarch64: how an interrupted call is resumed.
 *
 * Here the kernel rewinds the program counter and puts x0 back before the tracer sees the stop, so
 * writing the registers back is enough; only a wait with a relative timeout needs to be told to go
 * on with what is left of it. A signal with a handler that arrives during the freeze does not end
 * the interrupted call with EINTR: the handler runs and the call starts again. */
#include "freeze/arch/aarch64/registers.h"

#include "freeze/process/threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

static bool has_relative_timeout(const struct user_regs_struct *registers) {
    switch (registers->regs[NUMBER_REGISTER]) {
    case SYS_nanosleep: return true;
    case SYS_clock_nanosleep: return (registers->regs[1] & TIMER_ABSTIME) == 0;
    case SYS_futex:
        return (registers->regs[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && registers->regs[3] != 0;
    default: return false;
    }
}

void arch_mend_interrupted_call(pid_t tid, struct arch_state *state, bool just_begun) {
    (void)just_begun;
    struct user_regs_struct *registers = &state->registers;
    errno = 0;
    long word = traced(PTRACE_PEEKTEXT, tid, registers->pc, 0);
    if (errno == 0 && arch_is_call_instruction((uint64_t)word) && has_relative_timeout(registers))
        registers->regs[NUMBER_REGISTER] = SYS_restart_syscall;
}

enum call_kind arch_call_kind(long number, const uint64_t arguments[CALL_ARGUMENTS]) {
    (void)arguments;
    switch (number) {
    case SYS_futex:
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_restart_syscall:
    case SYS_rt_sigsuspend:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_msgrcv: return CALL_RESTARTS;
    case SYS_read:
    case SYS_readv: return CALL_READS;
    default: return CALL_LOSES;
    }
}

/* The first argument is overwritten by the result: what is left cannot be asked for. */
bool arch_rest_of_call(const struct arch_state *stopped, struct arch_state *rest) {
    (void)stopped;
    (void)rest;
    return false;
}

long arch_returning_call(const struct arch_state *state) { return state->system_call; }

void arch_add_rest(struct arch_state *stopped, long more) {
    (void)stopped;
    (void)more;
}
