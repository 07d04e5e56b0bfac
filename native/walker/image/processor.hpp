// What depends on the processor, as far as the walker reads it. The rest of these facts are in
// heapgraph/processor.py and native/freeze/arch.
#pragma once

#include <cstdint>

namespace heapgraph {

inline constexpr std::uint64_t kPage = 4096;                // bytes of the smallest page
inline constexpr std::uint64_t kAddressLimit = 1ULL << 47;  // the first address that no program has

}  // namespace heapgraph
