/* Ends the clone before memory runs out, so that the kernel never looks for somebody to kill.
 *
 * Pages that the target rewrites while a clone shares them are copied and charged to the target's
 * control groups. Out of memory there, the kernel ends the clone first and the target milliseconds
 * later, before the clone's pages are free. A thread of its own looks, so that whatever this
 * program waits for meanwhile does not delay it; it makes no ptrace call. */
#ifndef HEAPGRAPH_FREEZE_GROUP_WATCH_H
#define HEAPGRAPH_FREEZE_GROUP_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where memory ran short: the place as it was given, counted from 0, and what it had left. */
struct shortage {
    int place;
    int64_t left;
};

/* Watch a place from the next watch_begin on. `text` is VERSION:RESERVE:LIMIT:FOLDER: a memory
 * group of version 1 or 2, how many bytes must stay free in it, and its limit, which a group above
 * it that is out of sight may have set (0: as its statistics say); version 0 is the machine,
 * without a folder. heapgraph/capture/live/memory_limits.py writes it. False: it cannot be read or
 * is one too many. */
bool watch_add(const char *text);

/* Begin to look; before the clone is made. False: memory is short already, or (place -1) there can
 * be no watch; nothing is watched then. */
bool watch_begin(struct shortage *shortage);

/* The clone that is to be ended: at once, if memory ran short meanwhile. Call this as soon as its
 * pid is known: pages are copied since the kernel made it. It becomes the first that the kernel
 * would end. */
void watch_hold(pid_t clone);

/* Let a thread of ours (0: the caller) run before all that are not of this kind, or no longer. On a
 * busy machine the target may rewrite all of its memory before the one who makes its clone, or who
 * is to hold it, gets a processor. Allowed to root only; its children do not inherit it. */
void hurry(pid_t thread, bool begin);

/* True when memory ran short, and the clone was ended for it. */
bool watch_has_ended(void);

/* Stop looking. False: memory ran short, and the clone was ended for it. Call this before the clone
 * is waited for, while its pid is its own. Without watch_begin it has no effect. */
bool watch_end(struct shortage *shortage);

#endif
