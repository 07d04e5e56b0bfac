/* One system call, executed by a thread of the target. */
#ifndef HEAPGRAPH_FREEZE_INJECT_H
#define HEAPGRAPH_FREEZE_INJECT_H

#include "arch.h"

#include <stdbool.h>

struct call {
    uint64_t instruction; /* address of a system call instruction in the target */
    long number;
    uint64_t arguments[CALL_ARGUMENTS];
    bool suspend_seccomp; /* the target has a filter that may kill it for this call */
    bool in_clone;        /* the thread is the clone's, and ends when this process does */
};

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

/* Run the call in a stopped thread and leave the thread stopped, with the registers and the signal
 * mask it had. Allocates nothing; the only waits are for the call itself. */
enum injection inject(pid_t tid, const struct call *call, struct outcome *outcome);

#endif
