/* Where the bytes of the core file go: counted, packed, written. */
#ifndef HEAPGRAPH_CAPTURE_SINK_H
#define HEAPGRAPH_CAPTURE_SINK_H

#include "freeze/hold/freeze.h"

#include <stddef.h>

/* Begin to pack `total` bytes into standard output. One at a time. */
bool pack_begin(uint64_t total, struct failure *failure);
bool pack(const void *data, size_t size, struct failure *failure);
/* True when all `total` bytes are written, and the mark of the end with them. */
bool pack_end(struct failure *failure);

/* Bytes that are packed, or, with `counts_only`, merely counted. */
struct sink {
    uint64_t length;
    bool counts_only;
    struct failure *failure; /* filled when something could not be written */
};

bool sink_put(struct sink *sink, const void *data, size_t size);
bool sink_zeros(struct sink *sink, uint64_t size);

#endif
