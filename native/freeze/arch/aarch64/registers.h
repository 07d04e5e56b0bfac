/* What the files of aarch64 share. */
#ifndef HEAPGRAPH_FREEZE_ARCH_AARCH64_REGISTERS_H
#define HEAPGRAPH_FREEZE_ARCH_AARCH64_REGISTERS_H

#include "freeze/arch/arch.h"

enum { NUMBER_REGISTER = 8 }; /* x8: the number of a call */

#endif
