/* x86_64: registers, and the `syscall` instruction (0f 05). */
#include "freeze/arch/x86_64/registers.h"

#include "freeze/process/threads.h"

#include <errno.h>
#include <sys/ptrace.h>

int arch_get(pid_t tid, struct arch_state *state) {
    if (traced(PTRACE_GETREGS, tid, 0, (uintptr_t)&state->registers) != 0) return errno;
    state->system_call = (int)state->registers.orig_rax;
    return 0;
}

int arch_set(pid_t tid, const struct arch_state *state) {
    return traced(PTRACE_SETREGS, tid, 0, (uintptr_t)&state->registers) == 0 ? 0 : errno;
}

bool arch_is_native(const struct arch_state *state) { return state->registers.cs == USER_CODE; }

uint64_t arch_program_counter(const struct arch_state *state) { return state->registers.rip; }

bool arch_is_call_instruction(uint64_t word) { return (word & 0xffff) == 0x050f; }

void arch_prepare_call(struct arch_state *state, uint64_t instruction, long number,
                       const uint64_t arguments[CALL_ARGUMENTS]) {
    struct user_regs_struct *registers = &state->registers;
    registers->rip = instruction;
    registers->orig_rax = (unsigned long long)NO_CALL; /* no restart of the interrupted call now */
    registers->rax = (unsigned long long)number;
    registers->rdi = arguments[0];
    registers->rsi = arguments[1];
    registers->rdx = arguments[2];
    registers->r10 = arguments[3];
    registers->r8 = arguments[4];
    registers->r9 = arguments[5];
}

long arch_call_result(const struct arch_state *state) { return (long)state->registers.rax; }

void arch_call_arguments(const struct arch_state *state, uint64_t arguments[CALL_ARGUMENTS]) {
    const struct user_regs_struct *registers = &state->registers;
    arguments[0] = registers->rdi;
    arguments[1] = registers->rsi;
    arguments[2] = registers->rdx;
    arguments[3] = registers->r10;
    arguments[4] = registers->r8;
    arguments[5] = registers->r9;
}

void arch_return_from_call(struct arch_state *state, long result) {
    state->registers.orig_rax = (unsigned long long)NO_CALL;
    state->registers.rax = (unsigned long long)result;
}

int arch_forget_registers(pid_t tid) {
    struct arch_state state;
    int error = arch_get(tid, &state);
    if (error != 0) return error;
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

int arch_set_thread_pointer(pid_t tid, uint64_t value) {
    struct arch_state state;
    int error = arch_get(tid, &state);
    if (error != 0) return error;
    state.registers.fs_base = value;
    return arch_set(tid, &state);
}
