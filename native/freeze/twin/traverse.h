/* Code of the target that runs in the clone, or in a twin: the traverse functions of its types.
 *
 * Neither has another thread, all signals are blocked, and of the system calls it asks for only
 * those are carried out that allocate memory, so that whatever this code does stays in memory that
 * is thrown away. */
#ifndef HEAPGRAPH_FREEZE_TRAVERSE_H
#define HEAPGRAPH_FREEZE_TRAVERSE_H

#include "freeze/hold/freeze.h"

/* What the stub reads and writes, in the clone's memory; heapgraph/capture/heap/traverse.py fills
 * it. */
struct stub_control {
    uint64_t next; /* job that runs; count: all are done */
    uint64_t count;
    uint64_t jobs;    /* address of (object, traverse function) pairs */
    uint64_t ends;    /* address of one word per job: `out` as it was after the job */
    uint64_t out;     /* where the next visited object is written */
    uint64_t out_end; /* reached: the stub stops, and expects room when it goes on */
};

enum run_reason {
    RAN_STUB,   /* the stub stopped itself: all jobs are done, or there is no more room */
    RAN_SIGNAL, /* the job faulted; number: the signal */
    RAN_CALL,   /* the job asked for a system call, which it did not get; number: which */
    RAN_LIMIT,  /* the limit came first */
    RAN_MEMORY, /* it took more memory than it may; the twin was ended for it */
};

struct run_end {
    enum run_reason reason;
    long number;
};

/* Map `size` bytes, a stack and the stub into the clone; `address` is that of the bytes. */
bool traverse_map(uint64_t size, uint64_t *address, struct failure *failure);

/* Run the stub on the control block at this address; 0: go on where it stands, after RAN_STUB or
 * RAN_LIMIT. The process stands again when this returns, except after RAN_MEMORY. */
bool traverse_run(uint64_t control, int64_t limit_ns, struct run_end *end, struct failure *failure);

#endif
