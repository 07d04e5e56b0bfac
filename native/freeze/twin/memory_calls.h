/* System calls that code in the clone may make: those that get it memory of its own. */
#ifndef HEAPGRAPH_FREEZE_MEMORY_CALLS_H
#define HEAPGRAPH_FREEZE_MEMORY_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Make the call that the clone stands before, if it is one of them. `call_place` is the address of
 * arch_stub_call in it. The clone stands behind the call when this returns true. */
bool grant_memory_call(pid_t child, uint64_t call_place);

/* For a new clone. */
void forget_granted_memory(void);

#endif
