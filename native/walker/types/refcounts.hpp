// The first word of an object: how often it is referred to, and whether it lives for ever.
#pragma once

#include "walker/image/memory_image.hpp"
#include "walker/types/layout.hpp"

namespace heapgraph {

constexpr i64 kMaxRefcount = 1ll << 40;     // more is an address
constexpr u64 kStaticRefcount = 999999999;  // _PyObject_IMMORTAL_REFCNT of 3.11

// Whether the upper half of the word is no part of the count.
inline bool is_half(const Layout &layout) {
    return layout.kinds.refcount == kind::refcount::half ||
           layout.kinds.refcount == kind::refcount::half_with_flags;
}

inline i64 count_of(const Layout &layout, u64 word) {
    return is_half(layout) ? static_cast<i64>(word & 0xffffffffu) : static_cast<i64>(word);
}

// Halves: bit 31 of the count. 3.11 gave a large count to its static objects.
inline bool is_immortal_count(const Layout &layout, u64 word) {
    if (is_half(layout)) return word >> 31 & 1;
    return layout.kinds.refcount == kind::refcount::word_or_static && word > kStaticRefcount / 2;
}

// Whether a live object may begin with this word. Freed memory keeps a free-list pointer in it;
// bits 32-47 above a half are zero, and flags lie above them.
inline bool is_plausible_count(const Layout &layout, u64 word) {
    if (is_half(layout) && word & 0xffff00000000) return false;
    const i64 count = count_of(layout, word);
    return count > 0 && count <= kMaxRefcount;
}

}  // namespace heapgraph
