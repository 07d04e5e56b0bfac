/* The list of a twin's memory: rows of a file, in the order of addresses, written by
 * heapgraph/capture/live/twin.py. What it says may come from a hostile core file. */
#ifndef HEAPGRAPH_FREEZE_TWIN_TABLE_H
#define HEAPGRAPH_FREEZE_TWIN_TABLE_H

#include "freeze/hold/freeze.h"

/* A range of addresses: `in_file` bytes of a file, then zeros. All but descriptor and protection
 * (PROT_READ and so on) are multiples of a page. */
struct twin_row {
    uint64_t start, size, descriptor, offset, in_file, protection;
};

/* Refuse a table whose rows overlap, wrap, or are more than a process may have. */
bool table_is_usable(int table, uint64_t *count, struct failure *failure);
bool table_row(int table, uint64_t number, struct twin_row *row);

/* An address of a page before which, and behind which, a page is free as well: the first that is
 * not below `from`; 0 when there is none. */
uint64_t table_free_page(int table, uint64_t count, uint64_t from);

/* Bytes the twin may make the kernel allocate, page tables for all of its files included. */
uint64_t table_memory_allowed(int table, uint64_t count);

void table_close_files(int table, uint64_t count);

#endif
