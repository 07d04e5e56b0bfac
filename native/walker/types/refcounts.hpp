// The first word of an object: how often it is referred to, and whether it lives for ever.
#pragma once

#include "walker/image/memory_image.hpp"
#include "walker/types/layout.hpp"

namespace heapgraph {

constexpr i64 kMaxRefcount = 1ll << 40;     // more is an address
constexpr u64 kStaticRefcount = 999999999;  // _PyObject_IMMORTAL_REFCNT of 3.11

inline i64 count_of(const Layout& layout, u64 word) {
  return layout.at_least(12) ? static_cast<i64>(word & 0xffffffffu) : static_cast<i64>(word);
}

// 3.12+: bit 31 of the count (3.14+ keeps flags above it). 3.11 gave a large count to its static objects.
inline bool is_immortal_count(const Layout& layout, u64 word) {
  if (layout.at_least(12)) return word >> 31 & 1;
  return layout.at_least(11) && word > kStaticRefcount / 2;
}

// Whether a live object may begin with this word. Freed memory keeps a free-list pointer in it; since 3.12 bits 32-47
// of a live object are zero (3.14+ has flags above them).
inline bool is_plausible_count(const Layout& layout, u64 word) {
  if (layout.at_least(12) && word & 0xffff00000000) return false;
  const i64 count = count_of(layout, word);
  return count > 0 && count <= kMaxRefcount;
}

}  // namespace heapgraph
