/* A limit on this process while a thread of the target stands because of it: it can be stopped too
 * (a debugger, SIGSTOP, a processor that nobody gives it), and the target must not stand for as
 * long. */
#ifndef HEAPGRAPH_FREEZE_GUARD_H
#define HEAPGRAPH_FREEZE_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel kills this process, also one that is stopped, unless it says otherwise in time. All
 * that it traces then goes on by itself. Again: the time begins anew. False: there can be no such
 * timer (RLIMIT_SIGPENDING), so no thread may be stopped. */
bool guard_for(int64_t within_ns);
void guard_end(void);

/* The time that is enough for anything done to a standing thread, but for the copy of a target. */
#define GUARD_NS INT64_C(1200000000)

/* That, and what the copy of this target may take on a slow machine. */
int64_t guard_for_copy_ns(pid_t pid);

/* How much longer than it may last a pause may take to end. */
#define PAUSE_GRACE_NS INT64_C(200000000)

#define NO_GUARD ((struct failure){"guard", EAGAIN, "no timer can be made that would end a stop"})

#endif
