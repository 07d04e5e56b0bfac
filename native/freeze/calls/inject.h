/* One system call, executed by a thread that stands. */
#ifndef HEAPGRAPH_FREEZE_INJECT_H
#define HEAPGRAPH_FREEZE_INJECT_H

#include "freeze/arch/arch.h"

#include <stdbool.h>

enum injection {
    INJECTED,         /* the call ran; its result may still be an error */
    INJECTION_BUSY,   /* this thread cannot take it now; nothing was changed: try another */
    INJECTION_DENIED, /* nothing was changed; the error says why */
    INJECTION_GONE,   /* the thread ended */
};

struct outcome {
    long result;   /* what the call returned: a value, or minus an errno */
    pid_t created; /* the child that it made, as this process numbers it; 0 for none */
    int error;     /* errno of INJECTION_DENIED */
};

/* Told of the child while the call that made it is not over: the child stands, or soon will. */
typedef void (*on_created)(pid_t created, void *context);

/* Make the call that the registers `prepared` lead to, in a thread that stands, up to the end of
 * the call: there the registers are the kernel's. The only waits are for the call itself. */
enum injection run_call(pid_t tid, const struct arch_state *prepared, on_created created,
                        void *context, struct outcome *outcome);

/* From the end of a call into the signal path, where the kernel looks at the registers of an
 * interrupted call before it goes on: there they are put back. */
enum injection enter_signal_path(pid_t tid);

enum { SIGNAL_MASK_SIZE = 8 };
bool get_signal_mask(pid_t tid, uint64_t *mask);
bool set_signal_mask(pid_t tid, uint64_t mask);

/* Inside a restartable sequence (per-CPU caches of some allocators) the program counter must not be
 * moved: the kernel would no longer see that the sequence was interrupted, and not restart it. */
bool in_restartable_sequence(pid_t tid, uint64_t program_counter);

/* A call in a process that is ours, a clone or a twin: it ends when we end, and nothing has to be
 * healed. Leaves it stopped, with the registers and the signal mask it had. */
struct call {
    uint64_t instruction; /* address of a system call instruction in it */
    long number;
    uint64_t arguments[CALL_ARGUMENTS];
    bool suspend_seccomp; /* it has a filter that may kill it for this call */
};
enum injection inject(pid_t tid, const struct call *call, struct outcome *outcome);

#endif
