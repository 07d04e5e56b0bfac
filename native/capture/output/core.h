/* The core file: header, segments, notes, memory. */
#ifndef HEAPGRAPH_CAPTURE_CORE_H
#define HEAPGRAPH_CAPTURE_CORE_H

#include "capture/target/facts.h"
#include "capture/target/plan.h"

/* Write it all to standard output, packed. False with a failure. */
bool write_core(struct facts *facts, struct plan *plan, struct failure *failure);

#endif
