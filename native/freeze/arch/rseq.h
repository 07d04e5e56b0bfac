/* Restartable sequences: linux/ptrace.h cannot be included beside sys/ptrace.h, and older C
 * libraries lack all of this. */
#ifndef HEAPGRAPH_FREEZE_RSEQ_H
#define HEAPGRAPH_FREEZE_RSEQ_H

#include "freeze/arch/machine.h" /* SYS_rseq */

#include <stdint.h>

#define GET_RSEQ_CONFIGURATION 0x420f /* PTRACE_GET_RSEQ_CONFIGURATION */
#define RSEQ_UNREGISTER 1             /* RSEQ_FLAG_UNREGISTER */

struct rseq_configuration {
    uint64_t area;
    uint32_t area_size, signature, flags, padding;
};

#endif
