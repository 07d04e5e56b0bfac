/* What of the memory is stored, decided before the first byte is written: a core file begins with
 * the sizes of all that follows. */
#ifndef HEAPGRAPH_CAPTURE_PLAN_H
#define HEAPGRAPH_CAPTURE_PLAN_H

#include "capture/target/pages.h"
#include "freeze/hold/freeze.h"

/* Stored pages, apart from one another. */
struct range {
    uint64_t start; /* its lowest bits, free in the address of a page, are the marks below */
    uint64_t end;
};
#define RANGE_OPENS UINT64_C(1)  /* the first of its mapping */
#define RANGE_SHARED UINT64_C(2) /* memory shared with others: the clone has no pages of it */

/* A part of a mapping: `stored` bytes, and behind them what is left out, zeros or a file's. */
struct segment {
    uint64_t start, size, stored;
    bool readable, writable, executable;
};

struct plan {
    pid_t target;           /* whose shared memory is looked at */
    pid_t frozen;           /* whose memory is read: the clone, or the target */
    int memory;             /* its memory, open */
    struct page_map pages;  /* of `frozen` */
    struct page_map shared; /* of `target` */
    struct range *ranges;
    size_t range_count, range_limit;
    uint64_t smallest_hole; /* bytes of empty pages that are worth a segment of their own */
    uint64_t stored;        /* bytes of all ranges */
    uint64_t segments;
    uint64_t code_left;    /* bytes of replaced binaries that may still be stored */
    uint64_t code_inode;   /* of the binary whose mappings come one after another; 0: none */
    bool code_is_replaced; /* no reader will find it */
    bool opens;            /* no range of the current mapping is there yet */
};

/* Look through the mappings and pages of a process that stands still.
 * False with a failure; plan_close is due in any case. */
bool plan_make(struct plan *plan, pid_t target, pid_t frozen, struct failure *failure);
void plan_close(struct plan *plan);

uint64_t range_start(const struct range *range);

/* Takes a segment; false ends it. */
typedef bool segment_taker(void *context, const struct segment *segment);

/* Give every segment in address order; their stored bytes are those of the ranges, in order. */
bool plan_each_segment(const struct plan *plan, segment_taker *take, void *context);

#endif
