/* Ended children in the target's process table that are ours. */
#ifndef HEAPGRAPH_FREEZE_LEFTOVERS_H
#define HEAPGRAPH_FREEZE_LEFTOVERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Make the target wait for a child that has ended, by the number it has for it. True when none is
 * left. */
bool forget_child(pid_t target, long number_inside, int64_t *pause_ns);

/* Process 1 of a pid namespace: orphans come to it. */
bool is_first_of_namespace(pid_t pid);

#endif
