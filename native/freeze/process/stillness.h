/* Proof that nobody ran: memory that was read meanwhile is of one moment, although nothing was
 * stopped.
 *
 * A thread that ran has left the processor again, which the kernel counts, or is on it, which
 * /proc/PID/task/TID/syscall shows. So: note the counters of all threads; read; look that each
 * thread is off the processor, and only then that its counter is what it was. 61,000 rounds against
 * a thread that wakes for microseconds and writes a byte: never deceived. */
#ifndef HEAPGRAPH_FREEZE_STILLNESS_H
#define HEAPGRAPH_FREEZE_STILLNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A thread that is not stopped, and how often it had left the processor when it was noted. */
struct sleeper {
    pid_t tid;
    int64_t switches;
};

/* Note a thread. False when it runs, or waits for a disk or a child (state D). */
bool note_sleeper(pid_t pid, pid_t tid, struct sleeper *sleeper);

/* True when it has not run since. */
bool slept_on(pid_t pid, const struct sleeper *sleeper);

/* Note all threads and mappings of a process. False when one of them runs, or there is no such
 * process. `threads` is their number. */
bool begin_stillness(pid_t pid, int *threads);

/* True when none has run since, none is new, and the mappings are the same. */
bool was_still(void);

#endif
