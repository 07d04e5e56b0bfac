/* Restartable sequences: linux/ptrace.h cannot be included beside sys/ptrace.h, and older C
 * libraries lack all of this. */
#ifndef HEAPGRAPH_FREEZE_RSEQ_H
#define HEAPGRAPH_FREEZE_RSEQ_H

#include <stdint.h>
#include <sys/syscall.h>

#define GET_RSEQ_CONFIGURATION 0x420f /* PTRACE_GET_RSEQ_CONFIGURATION */
#define RSEQ_UNREGISTER 1             /* RSEQ_FLAG_UNREGISTER */

#ifndef SYS_rseq
#if defined(__x86_64__)
#define SYS_rseq 334
#else
#define SYS_rseq 293
#endif
#endif

struct rseq_configuration {
    uint64_t area;
    uint32_t area_size, signature, flags, padding;
};

#endif
