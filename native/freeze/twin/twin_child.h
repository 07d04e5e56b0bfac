/* What a twin does itself, before it has the memory of the target. */
#ifndef HEAPGRAPH_FREEZE_TWIN_CHILD_H
#define HEAPGRAPH_FREEZE_TWIN_CHILD_H

#include <stdint.h>

/* What it tells its parent through a pipe, once. */
struct twin_report {
    uint64_t page; /* an empty page, readable and executable, where the table has nothing */
    int error;     /* an errno; 0: all is done, and it waits */
};

/* Give up what a process has, get the page, report, and wait for ever. */
_Noreturn void twin_child_main(int table, uint64_t count, int report);

#endif
