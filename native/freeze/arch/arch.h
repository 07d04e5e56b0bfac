/* What differs between processors: each has a folder here, whose files define all of this and of
 * heal.h. What is no more than a number is in machine.h. */
#ifndef HEAPGRAPH_FREEZE_ARCH_H
#define HEAPGRAPH_FREEZE_ARCH_H

#include "freeze/arch/machine.h"

#include <stdbool.h>
#include <stddef.h>
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

/* Instructions to look for in the target's code; see gadgets.h. */
struct code_pattern {
    const unsigned char *bytes;
    size_t size, alignment;
};
extern const struct code_pattern arch_restore_code, arch_call_code;

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

/* The arguments of a call that was asked for, in a state saved at its entry; and that state as it
 * is when the call has returned. */
void arch_call_arguments(const struct arch_state *state, uint64_t arguments[CALL_ARGUMENTS]);
void arch_return_from_call(struct arch_state *state, long result);

/* What a stop does to a blocked call. Measured over 44 calls: docs/safety.md. */
enum call_kind {
    CALL_RESTARTS, /* the kernel starts it again, with what is left of its time */
    CALL_ENDLESS,  /* it would fail with EINTR, but has no timeout: it can be started again */
    CALL_READS,    /* as CALL_RESTARTS, unless the descriptor is a socket with a timeout */
    CALL_MOVES,    /* it may have moved a part of its bytes: the rest can be moved for it */
    CALL_LOSES,    /* its timeout, or a part of its bytes, would be lost */
};
enum call_kind arch_call_kind(long number, const uint64_t arguments[CALL_ARGUMENTS]);

/* Amend the state saved at the stop so that the call it interrupted goes on as if nothing was.
 * `just_begun`: the thread was seen running a moment before, so that no timeout is cheated when a
 * call that failed with EINTR starts from its beginning. */
void arch_mend_interrupted_call(pid_t tid, struct arch_state *state, bool just_begun);

/* A call of CALL_MOVES that was stopped half-way: make `rest` the state in which the thread asks
 * for what is left. False for any other state. */
bool arch_rest_of_call(const struct arch_state *stopped, struct arch_state *rest);

/* The number of the call that a state returns from, its result in it; -1 in user code. */
long arch_returning_call(const struct arch_state *state);

/* `stopped` as it is when the rest of its call returned `more`: bytes, or minus an errno. */
void arch_add_rest(struct arch_state *stopped, long more);

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

#endif
