/* The ways to have a target's memory of one moment, and what each reports. */
#ifndef HEAPGRAPH_FREEZE_FREEZE_H
#define HEAPGRAPH_FREEZE_FREEZE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What failed: a word of the protocol (docs in main.c), an errno, and a few words. */
struct failure {
    const char *code;
    int error;
    const char *text;
};

/* Make the target clone itself; the child never runs and is a copy-on-write image of its memory.
 * Fills `child` and the nanoseconds for which one thread of the target stood; the others ran on. */
bool clone_freeze(pid_t pid, pid_t *child, int64_t *pause_ns, struct failure *failure);

/* End the child. True when no zombie of it is left behind. */
bool clone_release(int64_t *pause_ns);
bool clone_is_held(void);

/* Readable when the target has ended; -1 when no clone is held. */
int clone_target(void);

/* End the children that earlier runs of this program have left in the target, when they were
 * killed. Returns how many. */
int reap_leftovers(pid_t pid);

/* The child that is held, and how a call can be made in it; 0 when none is. */
struct call;
pid_t clone_child(struct call *call);

/* Stop every thread of the target itself that would run otherwise. */
bool pause_target(pid_t pid, int64_t limit_ns, int *threads, struct failure *failure);

/* Let them all go; fills how long the target stood. False when one that was left asleep, since a
 * stop would have cut its call short, woke meanwhile: what was read is not of one moment. */
bool pause_release(int64_t *pause_ns);
bool pause_is_held(void);

/* When the pause must end; INT64_MAX for no limit or no pause. */
int64_t pause_deadline(void);

#endif
