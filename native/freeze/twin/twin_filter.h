/* The second bar before system calls, behind ptrace: a filter inside the kernel. */
#ifndef HEAPGRAPH_FREEZE_TWIN_FILTER_H
#define HEAPGRAPH_FREEZE_TWIN_FILTER_H

#include <stddef.h>
#include <stdint.h>

/* Write a struct sock_fprog and its program, as they must lie at `address`, into `buffer`; returns
 * their size. All calls fail but mmap, munmap and mprotect from the instruction at `call_place`.
 * The same holds for the calls of the vsyscall page, which ptrace does not see. */
size_t make_filter(unsigned char *buffer, size_t room, uint64_t address, uint64_t call_place);

#endif
