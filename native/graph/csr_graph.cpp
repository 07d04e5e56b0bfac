#include "csr_graph.h"

#include <algorithm>

namespace heapgraph {

int CsrGraph::check() const {
    if (raw_.object_count >= HG_UNREACHABLE) return HG_TOO_MANY_OBJECTS;
    const std::uint64_t *offsets = raw_.offsets;
    if (offsets[0] != 0 || offsets[raw_.object_count] != raw_.reference_count) {
        return HG_BAD_OFFSETS;
    }
    if (!std::is_sorted(offsets, offsets + raw_.object_count + 1)) return HG_BAD_OFFSETS;
    // A maximum without a branch per reference: this loop runs at the speed of memory.
    ObjectId largest = 0;
    for (EdgeIndex edge = 0; edge < raw_.reference_count; ++edge) {
        largest = std::max(largest, raw_.targets[edge]);
    }
    if (raw_.reference_count != 0 && largest >= raw_.object_count) return HG_TARGET_OUT_OF_RANGE;
    return HG_OK;
}

int check_roots(std::uint64_t object_count, const ObjectId *roots, std::uint64_t root_count) {
    const bool all_known = std::all_of(
        roots, roots + root_count, [object_count](ObjectId root) { return root < object_count; });
    return all_known ? HG_OK : HG_ROOT_OUT_OF_RANGE;
}

}  // namespace heapgraph
