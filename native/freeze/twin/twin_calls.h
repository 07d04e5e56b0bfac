/* What is done to a twin from outside, one system call of it at a time. `page` is its page with the
 * call instruction. */
#ifndef HEAPGRAPH_FREEZE_TWIN_CALLS_H
#define HEAPGRAPH_FREEZE_TWIN_CALLS_H

#include "freeze/twin/twin_table.h"

/* Fill the page: a system call instruction and a breakpoint, and the filter for later. */
bool write_call_page(pid_t child, uint64_t page);

/* The kernel must no longer write to the area of restartable sequences of its C library. */
bool forget_sequences(pid_t child, uint64_t page);

/* All memory but the page, and what the kernel itself has sealed. */
bool unmap_all(pid_t child, uint64_t page);

/* 0, or minus an errno. */
long map_row(pid_t child, uint64_t page, const struct twin_row *row);

bool close_all(pid_t child, uint64_t page);

/* From here on only memory can be mapped, and from the page alone. */
bool bar_calls(pid_t child, uint64_t page);

#endif
