/* Filters of system calls (seccomp): would they let the calls pass that a thread is asked for? */
#ifndef HEAPGRAPH_FREEZE_FILTERS_H
#define HEAPGRAPH_FREEZE_FILTERS_H

#include "freeze/arch/heal.h"

#include <stdbool.h>
#include <sys/types.h>

enum filter {
    FILTER_ALLOWS,  /* all of the calls, whatever becomes of us: each filter was run on each call */
    FILTER_FORBIDS, /* one of them */
    FILTER_UNKNOWN, /* only who has CAP_SYS_ADMIN may read filters */
};

/* Judge the filters of a thread that stands and is seized. `instruction`: where calls are made. */
enum filter judge_filters(pid_t tid, uint64_t instruction);

/* The one filter of a container is its runtime's profile: it allows all that is called here, and
 * answers with an error to what it does not allow. */
bool has_filter_of_container(pid_t pid, pid_t tid);

#endif
