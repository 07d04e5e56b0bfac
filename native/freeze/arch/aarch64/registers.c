/* aarch64: registers, and the `svc #0` instruction.
 *
 * Status of all files here: compiled (check_aarch64.sh), not yet run. */
#include "freeze/arch/aarch64/registers.h"

#include "freeze/process/threads.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

enum { SUPERVISOR_CALL = 0xd4000001u, MODE_IS_32_BIT = 0x10 };

static int transfer(int request, pid_t tid, int set, void *data, size_t size) {
    struct iovec vector = {.iov_base = data, .iov_len = size};
    return traced(request, tid, (uintptr_t)set, (uintptr_t)&vector) == 0 ? 0 : errno;
}

int arch_get(pid_t tid, struct arch_state *state) {
    int error =
        transfer(PTRACE_GETREGSET, tid, NT_PRSTATUS, &state->registers, sizeof state->registers);
    if (error != 0) return error;
    return transfer(PTRACE_GETREGSET, tid, NT_ARM_SYSTEM_CALL, &state->system_call,
                    sizeof state->system_call);
}

int arch_set(pid_t tid, const struct arch_state *state) {
    struct arch_state copy = *state;
    int error =
        transfer(PTRACE_SETREGSET, tid, NT_PRSTATUS, &copy.registers, sizeof copy.registers);
    if (error != 0) return error;
    return transfer(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &copy.system_call,
                    sizeof copy.system_call);
}

bool arch_is_native(const struct arch_state *state) {
    return (state->registers.pstate & MODE_IS_32_BIT) == 0;
}

uint64_t arch_program_counter(const struct arch_state *state) { return state->registers.pc; }

bool arch_is_call_instruction(uint64_t word) { return (uint32_t)word == SUPERVISOR_CALL; }

void arch_prepare_call(struct arch_state *state, uint64_t instruction, long number,
                       const uint64_t arguments[CALL_ARGUMENTS]) {
    state->system_call = -1;
    state->registers.pc = instruction;
    state->registers.regs[NUMBER_REGISTER] = (uint64_t)number;
    for (int i = 0; i < CALL_ARGUMENTS; i++) state->registers.regs[i] = arguments[i];
}

long arch_call_result(const struct arch_state *state) { return (long)state->registers.regs[0]; }

void arch_call_arguments(const struct arch_state *state, uint64_t arguments[CALL_ARGUMENTS]) {
    for (int i = 0; i < CALL_ARGUMENTS; i++) arguments[i] = state->registers.regs[i];
}

void arch_return_from_call(struct arch_state *state, long result) {
    state->system_call = -1;
    state->registers.regs[0] = (uint64_t)result;
}

int arch_forget_registers(pid_t tid) {
    struct arch_state state;
    int error = arch_get(tid, &state);
    if (error != 0) return error;
    state.registers = (struct user_regs_struct){.pc = state.registers.pc};
    state.system_call = -1;
    return arch_set(tid, &state);
}

int arch_set_thread_pointer(pid_t tid, uint64_t value) {
    return transfer(PTRACE_SETREGSET, tid, NT_ARM_TLS, &value, sizeof value);
}
