/* Two short instruction sequences in the target's own code: see heal.h for what they are good for.
 */
#ifndef HEAPGRAPH_FREEZE_GADGETS_H
#define HEAPGRAPH_FREEZE_GADGETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct gadgets {
    uint64_t restore; /* number of rt_sigreturn to its register; system call */
    uint64_t call;    /* system call; return */
};

/* Look for both in the code of a process, the C library first. False when one is missing. Nothing
 * is stopped for it. Cost: about a millisecond. */
bool find_gadgets(pid_t pid, struct gadgets *gadgets);

/* True while both are still there: the process may have become another program. */
bool gadgets_are_there(pid_t pid, const struct gadgets *gadgets);

#endif
