/* Where memory may run short because a clone of the target lives: its memory groups, the machine.
 */
#ifndef HEAPGRAPH_CAPTURE_GROUPS_H
#define HEAPGRAPH_CAPTURE_GROUPS_H

#include "freeze/hold/freeze.h"

/* Watch the groups of a process where they are usually mounted, and the machine (watch_add). Of
 * version 1 in a container only the container's own group is seen, and with it the limits above.
 * False with a failure: its group is another container's, or all in it end as one. */
bool watch_groups(pid_t pid, struct failure *failure);

#endif
