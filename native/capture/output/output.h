/* Standard output, and every reason to stop before the end. */
#ifndef HEAPGRAPH_CAPTURE_OUTPUT_H
#define HEAPGRAPH_CAPTURE_OUTPUT_H

#include "freeze/hold/freeze.h"

#include <stddef.h>

/* Block every signal, and watch for those that end a program. Before anything is stopped. */
bool output_begin(void);

/* Write to standard output. False with a failure: the reader is gone or takes nothing, a signal
 * came, the parent ended, the pause is over, memory ran short, the disk is full. */
bool output_write(const void *data, size_t size, struct failure *failure);

/* True while there is no such reason; costs a few system calls. */
bool output_may_go_on(struct failure *failure);

uint64_t output_written(void);

/* End as the signal that came would have ended this program; returns when none came. */
void output_end_by_signal(void);

#endif
