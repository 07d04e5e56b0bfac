/* Numbers of the processor that this is compiled for, for all native code: the only place that asks
 * which it is. */
#ifndef HEAPGRAPH_FREEZE_MACHINE_H
#define HEAPGRAPH_FREEZE_MACHINE_H

#if defined(__x86_64__)
#include "freeze/arch/x86_64/machine.h"
#elif defined(__aarch64__)
#include "freeze/arch/aarch64/machine.h"
#else
#error "a processor without a folder in native/freeze/arch"
#endif

#endif
