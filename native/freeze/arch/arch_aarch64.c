/* aarch64: registers, the `svc #0` instruction, and how an interrupted call is resumed.
 *
 * Status: compiled (check_aarch64.sh), not yet run.
 *
 * Here the kernel rewinds the program counter and puts x0 back before the tracer sees the stop, so
 * writing the registers back is enough; only a wait with a relative timeout needs to be told to go
 * on with what is left of it. A signal with a handler that arrives during the freeze does not end
 * the interrupted call with EINTR: the handler runs and the call starts again. */
#include "freeze/arch/arch.h"

#include "freeze/process/threads.h"

#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

enum { NUMBER_REGISTER = 8, SUPERVISOR_CALL = 0xd4000001u, MODE_IS_32_BIT = 0x10 };

static int transfer(int request, pid_t tid, int set, void *data, size_t size)
{
    struct iovec vector = {.iov_base = data, .iov_len = size};
    return traced(request, tid, (uintptr_t)set, (uintptr_t)&vector) == 0 ? 0 : errno;
}

int arch_get(pid_t tid, struct arch_state *state)
{
    int error =
        transfer(PTRACE_GETREGSET, tid, NT_PRSTATUS, &state->registers, sizeof state->registers);
    if (error != 0)
        return error;
    return transfer(PTRACE_GETREGSET, tid, NT_ARM_SYSTEM_CALL, &state->system_call,
                    sizeof state->system_call);
}

int arch_set(pid_t tid, const struct arch_state *state)
{
    struct arch_state copy = *state;
    int error =
        transfer(PTRACE_SETREGSET, tid, NT_PRSTATUS, &copy.registers, sizeof copy.registers);
    if (error != 0)
        return error;
    return transfer(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &copy.system_call,
                    sizeof copy.system_call);
}

bool arch_is_native(const struct arch_state *state)
{
    return (state->registers.pstate & MODE_IS_32_BIT) == 0;
}

uint64_t arch_program_counter(const struct arch_state *state)
{
    return state->registers.pc;
}

bool arch_is_call_instruction(uint64_t word)
{
    return (uint32_t)word == SUPERVISOR_CALL;
}

void arch_prepare_call(struct arch_state *state, uint64_t instruction, long number,
                       const uint64_t arguments[CALL_ARGUMENTS])
{
    state->system_call = -1;
    state->registers.pc = instruction;
    state->registers.regs[NUMBER_REGISTER] = (uint64_t)number;
    for (int i = 0; i < CALL_ARGUMENTS; i++)
        state->registers.regs[i] = arguments[i];
}

long arch_call_result(const struct arch_state *state)
{
    return (long)state->registers.regs[0];
}

void arch_call_arguments(const struct arch_state *state, uint64_t arguments[CALL_ARGUMENTS])
{
    for (int i = 0; i < CALL_ARGUMENTS; i++)
        arguments[i] = state->registers.regs[i];
}

void arch_return_from_call(struct arch_state *state, long result)
{
    state->system_call = -1;
    state->registers.regs[0] = (uint64_t)result;
}

/* x19: the control block; as in arch_x86_64.c. The page is not a guarded one (PROT_BTI), so the
 * visit function needs no landing pad. */
__asm__(".pushsection .rodata\n"
        ".balign 4\n"
        ".globl arch_stub, arch_stub_call, arch_stub_end\n"
        "arch_stub:\n"
        "    mov x19, x0\n"
        "1:  ldp x9, x10, [x19]\n"
        "    cmp x9, x10\n"
        "    b.hs 2f\n"
        "    ldr x11, [x19, #16]\n"
        "    add x11, x11, x9, lsl #4\n"
        "    ldp x0, x12, [x11]\n"
        "    adr x1, 3f\n"
        "    mov x2, x19\n"
        "    blr x12\n"
        "    ldr x9, [x19]\n"
        "    ldp x10, x11, [x19, #24]\n"
        "    str x11, [x10, x9, lsl #3]\n"
        "    add x9, x9, #1\n"
        "    str x9, [x19]\n"
        "    b 1b\n"
        "2:  brk #0\n"
        "    b 2b\n"
        "3:  ldp x9, x10, [x1, #32]\n"
        "    str x0, [x9], #8\n"
        "    str x9, [x1, #32]\n"
        "    cmp x9, x10\n"
        "    b.lo 4f\n"
        "    brk #0\n"
        "4:  mov x0, #0\n"
        "    ret\n"
        "arch_stub_call:\n"
        "    svc #0\n"
        "    brk #0\n"
        "arch_stub_end:\n"
        ".popsection\n");

void arch_prepare_stub(struct arch_state *state, uint64_t code, uint64_t stack_top,
                       uint64_t control)
{
    state->system_call = -1;
    state->registers.pc = code;
    state->registers.sp = stack_top;
    state->registers.pstate = 0;
    state->registers.regs[0] = control;
    state->registers.regs[29] = 0; /* the end of the chain of frames */
}

void arch_pass_breakpoint(struct arch_state *state)
{
    state->registers.pc += 4;
}

int arch_forget_registers(pid_t tid)
{
    struct arch_state state;
    int error = arch_get(tid, &state);
    if (error != 0)
        return error;
    state.registers = (struct user_regs_struct){.pc = state.registers.pc};
    state.system_call = -1;
    return arch_set(tid, &state);
}

int arch_set_thread_pointer(pid_t tid, uint64_t value)
{
    return transfer(PTRACE_SETREGSET, tid, NT_ARM_TLS, &value, sizeof value);
}

static bool has_relative_timeout(const struct user_regs_struct *registers)
{
    switch (registers->regs[NUMBER_REGISTER]) {
    case SYS_nanosleep:
        return true;
    case SYS_clock_nanosleep:
        return (registers->regs[1] & TIMER_ABSTIME) == 0;
    case SYS_futex:
        return (registers->regs[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && registers->regs[3] != 0;
    default:
        return false;
    }
}

void arch_mend_interrupted_call(pid_t tid, struct arch_state *state, bool just_begun)
{
    (void)just_begun;
    struct user_regs_struct *registers = &state->registers;
    errno = 0;
    long word = traced(PTRACE_PEEKTEXT, tid, registers->pc, 0);
    if (errno == 0 && arch_is_call_instruction((uint64_t)word) && has_relative_timeout(registers))
        registers->regs[NUMBER_REGISTER] = SYS_restart_syscall;
}

enum call_kind arch_call_kind(long number, const uint64_t arguments[CALL_ARGUMENTS])
{
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
    case SYS_msgrcv:
        return CALL_RESTARTS;
    case SYS_read:
    case SYS_readv:
        return CALL_READS;
    default:
        return CALL_LOSES;
    }
}

/* The first argument is overwritten by the result: what is left cannot be asked for. */
bool arch_rest_of_call(const struct arch_state *stopped, struct arch_state *rest)
{
    (void)stopped;
    (void)rest;
    return false;
}

long arch_returning_call(const struct arch_state *state)
{
    return state->system_call;
}

void arch_add_rest(struct arch_state *stopped, long more)
{
    (void)stopped;
    (void)more;
}
