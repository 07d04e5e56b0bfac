/* What differs between processors. arch_x86_64.c and arch_aarch64.c each define all of it. */
#ifndef HEAPGRAPH_FREEZE_ARCH_H
#define HEAPGRAPH_FREEZE_ARCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* Return values of an interrupted system call that user space never sees (linux/errno.h). */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

enum { CALL_ARGUMENTS = 6 };

/* The general registers of a stopped thread, and the system call it is in (-1: none). */
struct arch_state {
    struct user_regs_struct registers;
    int system_call;
};

/* Read and write the registers of a stopped thread: 0, or an errno. */
int arch_get(pid_t tid, struct arch_state *state);
int arch_set(pid_t tid, const struct arch_state *state);

/* True when the thread runs 64-bit code of this processor. */
bool arch_is_native(const struct arch_state *state);

uint64_t arch_program_counter(const struct arch_state *state);

/* The word read at an address begins with the system call instruction. */
bool arch_is_call_instruction(uint64_t word);

/* Make the thread execute `number(arguments)` at the call instruction, whatever it was doing. */
void arch_prepare_call(struct arch_state *state, uint64_t instruction, long number,
                       const uint64_t arguments[CALL_ARGUMENTS]);

/* What the call returned: a value, or minus an errno. */
long arch_call_result(const struct arch_state *state);

/* The arguments of a call that was asked for, in a state saved at its entry; and that state as it is
 * when the call has returned. */
void arch_call_arguments(const struct arch_state *state, uint64_t arguments[CALL_ARGUMENTS]);
void arch_return_from_call(struct arch_state *state, long result);

/* Amend the state saved at the stop so that the call it interrupted goes on as if nothing was. */
void arch_mend_interrupted_call(pid_t tid, struct arch_state *state);

/* Machine code that runs the traverse functions of a list of objects (see struct stub_control in
 * traverse.h), position independent. It stops itself with a breakpoint. */
extern const unsigned char arch_stub[], arch_stub_end[];

/* Inside it: a system call instruction with a breakpoint behind it. */
extern const unsigned char arch_stub_call[];

/* Make the thread run the stub at `code` from its start, on this stack. */
void arch_prepare_stub(struct arch_state *state, uint64_t code, uint64_t stack_top,
                       uint64_t control);

/* Amend the state saved at the stub's own breakpoint so that it goes on behind it. */
void arch_pass_breakpoint(struct arch_state *state);

/* Clear the general registers of a stopped thread; and set what its thread-local data is found by.
 * 0, or an errno. */
int arch_forget_registers(pid_t tid);
int arch_set_thread_pointer(pid_t tid, uint64_t value);

/* The call returns EINTR after any stop, even one without a signal (signal(7)). */
bool arch_call_ends_when_stopped(long number);

#endif
