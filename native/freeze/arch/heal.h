/* A thread that finds back by itself, whatever becomes of this process.
 *
 * Before a register of a stopped thread is changed, frames are written below its stack, as the
 * kernel writes them for a signal handler. From then on its registers always lead into a chain of
 * them: each makes one system call and returns into the next, the last is rt_sigreturn with the
 * thread's own registers, floating-point state and signal mask. When all goes well the chain is
 * never run to its end: this process puts the registers back itself. When it is killed, at whatever
 * moment, the thread runs the rest of the chain and goes on where it was.
 *
 * (Blocked calls that were restarted by the chain and not by the kernel start with their full
 * timeout.)
 *
 *     low                                                               the thread's stack pointer
 *     | LEAVE | COPY | CLOSE | REAP | HOME | floating point | red zone |
 */
#ifndef HEAPGRAPH_FREEZE_HEAL_H
#define HEAPGRAPH_FREEZE_HEAL_H

#include "freeze/arch/arch.h"
#include "freeze/calls/gadgets.h"

#include <stdbool.h>
#include <stdint.h>

enum frame {
    LEAVE, /* exit_group, of a process that was cloned */
    COPY,  /* clone: of the middle process, which makes the copy */
    CLOSE, /* close_range with UNSHARE, of a process that was cloned */
    REAP,  /* wait4 for the process that was cloned */
    HOME,  /* the thread's own state */
    FRAMES,
};

enum heal {
    HEAL_READY,
    HEAL_NO_ROOM, /* the thread's stack is small or is no stack of its own: try another thread */
    HEAL_NEVER,   /* not with this processor, kernel or thread: shadow stacks, AMX in use */
    HEAL_FAILED,  /* the thread is gone, or its memory cannot be written */
};

struct healing {
    struct gadgets gadgets;
    uint64_t frames[FRAMES]; /* their addresses */
    uint64_t cloned_pid;     /* where the kernel is to write the pid that REAP waits for */
    uint64_t word;           /* 8 bytes for a result */
};

/* False on processors for which there is none of this: calls are then made without it. */
bool arch_heals(void);

/* Write the frames. `home`: the state to end in, with its interrupted call amended; `mask`: the
 * signals it blocks. `through_middle`: CLOSE goes on to COPY, else to LEAVE. Registers stay. */
enum heal arch_write_frames(pid_t pid, pid_t tid, const struct arch_state *home, uint64_t mask,
                            bool through_middle, struct healing *healing);

/* Registers with which the thread runs into a frame, or makes a call first. */
void arch_enter_frame(struct arch_state *state, const struct healing *healing, enum frame frame);
void arch_call_then(struct arch_state *state, const struct healing *healing, long number,
                    const uint64_t arguments[CALL_ARGUMENTS], enum frame then);

#endif
