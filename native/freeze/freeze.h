/* The two ways to make a target's memory stand still, and what each reports. */
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
 * Fills `child` and the nanoseconds for which a thread of the target stood. */
bool clone_freeze(pid_t pid, uint64_t instruction, bool suspend_seccomp, pid_t *child,
                  int64_t *pause_ns, struct failure *failure);

/* End the child and let the target forget it. True when no zombie is left behind.
 * `instruction`: the address of a system call instruction now; 0: what clone_freeze was given. */
bool clone_release(uint64_t instruction, int64_t *pause_ns);
bool clone_is_held(void);

/* The child that is held, and how a call can be made in it; 0 when none is. */
struct call;
pid_t clone_child(struct call *call);

/* Stop every thread of the target itself. */
bool pause_target(pid_t pid, int64_t limit_ns, int *threads, struct failure *failure);

/* Let them all go; fills how long the target stood. */
void pause_release(int64_t *pause_ns);
bool pause_is_held(void);

/* When the pause must end; INT64_MAX for no limit or no pause. */
int64_t pause_deadline(void);

#endif
