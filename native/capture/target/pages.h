/* Which pages of a process hold something, from /proc/PID/pagemap. */
#ifndef HEAPGRAPH_CAPTURE_PAGES_H
#define HEAPGRAPH_CAPTURE_PAGES_H

#include "capture/target/maps.h"

enum page_kind {
    PAGES_OWN,      /* in memory or swapped out, and not pages of a file */
    PAGES_FILLED,   /* in memory or swapped out, of whatever kind */
    PAGES_RESIDENT, /* in memory */
};

struct page_map {
    int file;
    bool can_scan; /* the kernel has PAGEMAP_SCAN (6.7), which passes over what is empty */
};

/* Takes a range of pages; false ends the search. */
typedef bool page_taker(void *context, uint64_t start, uint64_t end);

bool page_map_open(struct page_map *map, pid_t pid);
void page_map_close(struct page_map *map);

/* Give every range of such pages in [start, end), rising; touching ranges may come apart.
 * False with errno when the map cannot be read, or the taker gave false. The page of zeros, which
 * a read of an empty page leaves behind, is nobody's memory. */
bool page_map_each(struct page_map *map, uint64_t start, uint64_t end, enum page_kind kind,
                   page_taker *take, void *context);

#endif
