// Numbers in place of keys; the arguments are those of graph_kernels.h.
#pragma once

#include <cstdint>

namespace heapgraph {

// Returns how many distinct keys there are.
std::uint64_t number_keys(std::uint64_t count, const std::int64_t *keys, std::int64_t *numbers,
                          std::int64_t *distinct);

}  // namespace heapgraph
