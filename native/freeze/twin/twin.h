/* A process of our own with the memory of the target: what runs code where there is no clone.
 *
 * It is forked from this process, gives up everything it has, and maps ranges of files, privately,
 * at the target's addresses: of a core file, of a copy of the memory, of binaries. It has no
 * descriptor, no capability and no other memory. A system call it asks for is not made: ptrace
 * stops it before, and a seccomp filter stands behind that. It ends when this process does. */
#ifndef HEAPGRAPH_FREEZE_TWIN_H
#define HEAPGRAPH_FREEZE_TWIN_H

#include "freeze/calls/inject.h"
#include "freeze/hold/freeze.h"

/* Make it. `table`: descriptor of the list of its memory, see twin_table.h; the descriptors that it
 * names are this process's, and are closed when this returns, as is the table. */
bool twin_make(int table, uint64_t thread_pointer, pid_t *child, struct failure *failure);
bool twin_is_held(void);
void twin_end(void);

/* It has written to, or made the kernel fill, more memory than code that only reads can need. */
bool twin_is_over_budget(void);

/* A system call instruction with a breakpoint behind it, the only place from which the filter lets
 * calls through; 0 when no twin is held. */
uint64_t twin_call_place(void);

/* The process that code may run in, the twin or else the clone, and how a call can be made in it;
 * 0 when neither is held. */
pid_t code_child(struct call *call);

#endif
