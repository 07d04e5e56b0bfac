/* x86_64: how an interrupted call is resumed.
 *
 * The thread gets its registers back while it is inside the kernel's signal path, with orig_rax as
 * it was. So the kernel itself decides: a call that returned -ERESTART* runs again, and if a signal
 * with a handler came meanwhile it fails with EINTR exactly as it would have without us. */
#include "freeze/arch/x86_64/registers.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

enum call_kind arch_call_kind(long number, const uint64_t arguments[CALL_ARGUMENTS]) {
    switch (number) {
    case SYS_futex:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_restart_syscall: /* one of those above that was stopped before */
    case SYS_pause:
    case SYS_rt_sigsuspend:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_msgrcv: return CALL_RESTARTS;
    case SYS_read:
    case SYS_readv: return CALL_READS;
    case SYS_epoll_wait:
    case SYS_epoll_pwait: return (int)arguments[3] < 0 ? CALL_ENDLESS : CALL_LOSES;
    case SYS_epoll_pwait2: return arguments[3] == 0 ? CALL_ENDLESS : CALL_LOSES;
    case SYS_rt_sigtimedwait: return arguments[2] == 0 ? CALL_ENDLESS : CALL_LOSES;
    case SYS_write:
    case SYS_sendto: return CALL_MOVES;
    case SYS_recvfrom: return (arguments[3] & MSG_WAITALL) != 0 ? CALL_MOVES : CALL_LOSES;
    default: return CALL_LOSES;
    }
}

/* Calls that fail with EINTR after any stop, and do the same when they are made again. */
static bool can_be_made_again(long number) {
    switch (number) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
    case SYS_io_uring_enter:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_read:
    case SYS_readv:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_write:
    case SYS_writev:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect: /* asked again, it waits for the connection that is on its way */
    case SYS_msgsnd: return true;
    default: return false;
    }
}

void arch_mend_interrupted_call(pid_t tid, struct arch_state *state, bool just_begun) {
    (void)tid;
    struct user_regs_struct *registers = &state->registers;
    uint64_t arguments[CALL_ARGUMENTS];
    const long number = (long)registers->orig_rax;
    if ((long)registers->rax != -EINTR || number < 0) return;
    arch_call_arguments(state, arguments);
    /* ERESTARTNOHAND: run it again, unless a signal handler runs first; then EINTR is the truth. */
    if (arch_call_kind(number, arguments) == CALL_ENDLESS ||
        (just_begun && can_be_made_again(number)))
        registers->rax = (unsigned long long)-(long long)ERESTARTNOHAND;
}

bool arch_rest_of_call(const struct arch_state *stopped, struct arch_state *rest) {
    uint64_t arguments[CALL_ARGUMENTS];
    const long done = (long)stopped->registers.rax, number = (long)stopped->registers.orig_rax;
    arch_call_arguments(stopped, arguments);
    if (number < 0 || done <= 0 || (uint64_t)done >= arguments[2] ||
        arch_call_kind(number, arguments) != CALL_MOVES)
        return false;
    *rest = *stopped;
    rest->registers.rip -= ARCH_CALL_SIZE;
    rest->registers.rax = (unsigned long long)number;
    rest->registers.orig_rax = (unsigned long long)NO_CALL;
    rest->registers.rsi += (unsigned long long)done;
    rest->registers.rdx -= (unsigned long long)done;
    return true;
}

long arch_returning_call(const struct arch_state *state) { return (long)state->registers.orig_rax; }

void arch_add_rest(struct arch_state *stopped, long more) {
    if (more > 0) stopped->registers.rax += (unsigned long long)more;
    stopped->registers.orig_rax = (unsigned long long)NO_CALL;
}
