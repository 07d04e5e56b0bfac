/* x86_64: registers, the `syscall` instruction (0f 05), and how an interrupted call is resumed.
 *
 * The thread gets its registers back while it is inside the kernel's signal path, with orig_rax as
 * it was. So the kernel itself decides: a call that returned -ERESTART* runs again, and if a signal
 * with a handler came meanwhile it fails with EINTR exactly as it would have without us. */
#include "freeze/arch/arch.h"

#include "freeze/process/threads.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

enum { USER_CODE_64 = 0x33, INTERRUPTS_ONLY = 0x202, NO_CALL = -1, CALL_SIZE = 2 };

int arch_get(pid_t tid, struct arch_state *state)
{
    if (traced(PTRACE_GETREGS, tid, 0, (uintptr_t)&state->registers) != 0)
        return errno;
    state->system_call = (int)state->registers.orig_rax;
    return 0;
}

int arch_set(pid_t tid, const struct arch_state *state)
{
    return traced(PTRACE_SETREGS, tid, 0, (uintptr_t)&state->registers) == 0 ? 0 : errno;
}

bool arch_is_native(const struct arch_state *state)
{
    return state->registers.cs == USER_CODE_64;
}

uint64_t arch_program_counter(const struct arch_state *state)
{
    return state->registers.rip;
}

bool arch_is_call_instruction(uint64_t word)
{
    return (word & 0xffff) == 0x050f;
}

void arch_prepare_call(struct arch_state *state, uint64_t instruction, long number,
                       const uint64_t arguments[CALL_ARGUMENTS])
{
    struct user_regs_struct *registers = &state->registers;
    registers->rip = instruction;
    registers->orig_rax = (unsigned long long)-1; /* no restart of the interrupted call now */
    registers->rax = (unsigned long long)number;
    registers->rdi = arguments[0];
    registers->rsi = arguments[1];
    registers->rdx = arguments[2];
    registers->r10 = arguments[3];
    registers->r8 = arguments[4];
    registers->r9 = arguments[5];
}

long arch_call_result(const struct arch_state *state)
{
    return (long)state->registers.rax;
}

void arch_call_arguments(const struct arch_state *state, uint64_t arguments[CALL_ARGUMENTS])
{
    const struct user_regs_struct *registers = &state->registers;
    arguments[0] = registers->rdi;
    arguments[1] = registers->rsi;
    arguments[2] = registers->rdx;
    arguments[3] = registers->r10;
    arguments[4] = registers->r8;
    arguments[5] = registers->r9;
}

void arch_return_from_call(struct arch_state *state, long result)
{
    state->registers.orig_rax = (unsigned long long)NO_CALL;
    state->registers.rax = (unsigned long long)result;
}

/* rbx: the control block, kept by the functions that are called; the offsets are those of
 * struct stub_control. The second half is the visit function that they are given. */
__asm__(".pushsection .rodata\n"
        ".globl arch_stub, arch_stub_call, arch_stub_end\n"
        "arch_stub:\n"
        "    mov %rdi, %rbx\n"
        "1:  mov 0(%rbx), %rax\n"   /* next job */
        "    cmp 8(%rbx), %rax\n"   /* all done */
        "    jae 2f\n"
        "    shl $4, %rax\n"
        "    add 16(%rbx), %rax\n"
        "    mov 0(%rax), %rdi\n"   /* traverse(object, visit, control) */
        "    lea 3f(%rip), %rsi\n"
        "    mov %rbx, %rdx\n"
        "    call *8(%rax)\n"
        "    mov 0(%rbx), %rax\n"
        "    mov 24(%rbx), %rcx\n"
        "    mov 32(%rbx), %rdx\n"
        "    mov %rdx, (%rcx,%rax,8)\n" /* where this object's visits end */
        "    incq 0(%rbx)\n"
        "    jmp 1b\n"
        "2:  int3\n"
        "    jmp 2b\n"
        "3:  mov 32(%rsi), %rax\n"
        "    mov %rdi, (%rax)\n"
        "    add $8, %rax\n"
        "    mov %rax, 32(%rsi)\n"
        "    cmp 40(%rsi), %rax\n"
        "    jb 4f\n"
        "    int3\n"                /* the buffer is full: it is emptied, and we go on */
        "4:  xor %eax, %eax\n"
        "    ret\n"
        "arch_stub_call:\n"
        "    syscall\n"
        "    int3\n"
        "arch_stub_end:\n"
        ".popsection\n");

void arch_prepare_stub(struct arch_state *state, uint64_t code, uint64_t stack_top,
                       uint64_t control)
{
    struct user_regs_struct *registers = &state->registers;
    registers->rip = code;
    registers->rsp = stack_top;
    registers->rbp = 0;
    registers->rdi = control;
    registers->orig_rax = (unsigned long long)NO_CALL;
    registers->eflags = INTERRUPTS_ONLY; /* the direction flag may be set in the middle of a copy */
}

void arch_pass_breakpoint(struct arch_state *state)
{
    (void)state; /* the program counter is behind it */
}

int arch_forget_registers(pid_t tid)
{
    struct arch_state state;
    int error = arch_get(tid, &state);
    if (error != 0)
        return error;
    const struct user_regs_struct old = state.registers;
    state.registers = (struct user_regs_struct){
        .cs = old.cs,
        .ss = old.ss,
        .eflags = INTERRUPTS_ONLY,
        .rip = old.rip,
        .orig_rax = (unsigned long long)NO_CALL,
    };
    return arch_set(tid, &state);
}

int arch_set_thread_pointer(pid_t tid, uint64_t value)
{
    struct arch_state state;
    int error = arch_get(tid, &state);
    if (error != 0)
        return error;
    state.registers.fs_base = value;
    return arch_set(tid, &state);
}

enum call_kind arch_call_kind(long number, const uint64_t arguments[CALL_ARGUMENTS])
{
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
    case SYS_msgrcv:
        return CALL_RESTARTS;
    case SYS_read:
    case SYS_readv:
        return CALL_READS;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
        return (int)arguments[3] < 0 ? CALL_ENDLESS : CALL_LOSES;
    case SYS_epoll_pwait2:
        return arguments[3] == 0 ? CALL_ENDLESS : CALL_LOSES;
    case SYS_rt_sigtimedwait:
        return arguments[2] == 0 ? CALL_ENDLESS : CALL_LOSES;
    case SYS_write:
    case SYS_sendto:
        return CALL_MOVES;
    case SYS_recvfrom:
        return (arguments[3] & MSG_WAITALL) != 0 ? CALL_MOVES : CALL_LOSES;
    default:
        return CALL_LOSES;
    }
}

/* Calls that fail with EINTR after any stop, and do the same when they are made again. */
static bool can_be_made_again(long number)
{
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
    case SYS_msgsnd:
        return true;
    default:
        return false;
    }
}

void arch_mend_interrupted_call(pid_t tid, struct arch_state *state, bool just_begun)
{
    (void)tid;
    struct user_regs_struct *registers = &state->registers;
    uint64_t arguments[CALL_ARGUMENTS];
    const long number = (long)registers->orig_rax;
    if ((long)registers->rax != -EINTR || number < 0)
        return;
    arch_call_arguments(state, arguments);
    /* ERESTARTNOHAND: run it again, unless a signal handler runs first; then EINTR is the truth. */
    if (arch_call_kind(number, arguments) == CALL_ENDLESS ||
        (just_begun && can_be_made_again(number)))
        registers->rax = (unsigned long long)-(long long)ERESTARTNOHAND;
}

bool arch_rest_of_call(const struct arch_state *stopped, struct arch_state *rest)
{
    uint64_t arguments[CALL_ARGUMENTS];
    const long done = (long)stopped->registers.rax, number = (long)stopped->registers.orig_rax;
    arch_call_arguments(stopped, arguments);
    if (number < 0 || done <= 0 || (uint64_t)done >= arguments[2] ||
        arch_call_kind(number, arguments) != CALL_MOVES)
        return false;
    *rest = *stopped;
    rest->registers.rip -= CALL_SIZE;
    rest->registers.rax = (unsigned long long)number;
    rest->registers.orig_rax = (unsigned long long)NO_CALL;
    rest->registers.rsi += (unsigned long long)done;
    rest->registers.rdx -= (unsigned long long)done;
    return true;
}

long arch_returning_call(const struct arch_state *state)
{
    return (long)state->registers.orig_rax;
}

void arch_add_rest(struct arch_state *stopped, long more)
{
    if (more > 0)
        stopped->registers.rax += (unsigned long long)more;
    stopped->registers.orig_rax = (unsigned long long)NO_CALL;
}
