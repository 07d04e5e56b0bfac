#include "capture/output/sink.h"

bool sink_put(struct sink *sink, const void *data, size_t size) {
    sink->length += size;
    return sink->counts_only || pack(data, size, sink->failure);
}

bool sink_zeros(struct sink *sink, uint64_t size) {
    static const char zeros[4096];
    for (uint64_t part; size > 0; size -= part) {
        part = size < sizeof zeros ? size : sizeof zeros;
        if (!sink_put(sink, zeros, (size_t)part)) return false;
    }
    return true;
}
