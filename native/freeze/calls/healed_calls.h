/* System calls made by a thread of the target, which finds back by itself should we be killed. */
#ifndef HEAPGRAPH_FREEZE_HEALED_CALLS_H
#define HEAPGRAPH_FREEZE_HEALED_CALLS_H

#include "freeze/arch/heal.h"
#include "freeze/calls/inject.h"
#include "freeze/process/threads.h"

#include <stdbool.h>

/* A thread of the target that is asked for a call. */
struct patient {
    pid_t pid; /* of its process */
    struct standing thread;
    struct arch_state saved; /* as it stood, with the call that the stop interrupted amended */
    uint64_t mask;           /* the signals it blocks */
    bool has_filter;         /* of system calls, which allows ours, and is suspended all the same */
    struct healing healing;
};

/* Prepare a thread that stands: from here on it finds back by itself. `outcome->error` says why it
 * was denied. The addresses of the gadgets are those of the process as it was before: they are
 * checked. */
enum injection begin_healing(struct patient *patient, const struct gadgets *gadgets,
                             bool through_middle, struct outcome *outcome);

/* Make a call; should we be killed from here on, the thread goes on with the frame `then`. */
enum injection healed_call(struct patient *patient, long number,
                           const uint64_t arguments[CALL_ARGUMENTS], enum frame then,
                           on_created created, void *context, struct outcome *outcome);

/* Put everything back; the thread stands as it stood before begin_healing. */
enum injection end_healing(struct patient *patient);

/* Something to do with a thread of the target, between begin_healing and end_healing. */
typedef enum injection (*treatment)(struct patient *patient, void *context,
                                    struct outcome *outcome);

struct failure;

/* Stop the thread that is gentlest to stop and do it there; `within_ns` is how long to look for
 * one. Fills the nanoseconds for which the thread stood. */
bool treat_some_thread(pid_t pid, bool through_middle, int64_t within_ns, treatment treat,
                       void *context, struct outcome *outcome, int64_t *pause_ns,
                       struct failure *failure);

#endif
