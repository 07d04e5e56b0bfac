/* What the files of x86_64 share. */
#ifndef HEAPGRAPH_FREEZE_ARCH_X86_64_REGISTERS_H
#define HEAPGRAPH_FREEZE_ARCH_X86_64_REGISTERS_H

#include "freeze/arch/arch.h"

enum {
    USER_CODE = 0x33, /* cs of 64-bit code */
    USER_DATA = 0x2b,
    INTERRUPTS_ONLY = 0x202, /* eflags */
    NO_CALL = -1,            /* orig_rax: nothing to restart */
};

#endif
