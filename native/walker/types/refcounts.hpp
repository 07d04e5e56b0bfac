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

constexpr u64 kCarry = 0xffffull << 32;  // of a half, into the bits above it; never flags

// An extension of the stable ABI that was built for 3.11 or older counts in the whole word, also
// those that live for ever: their count begins at 2^32 - 1 or 3 * 2^30, and goes on in bit 32.
inline bool is_carried(const Layout &layout, u64 word) { return is_half(layout) && word & kCarry; }

inline i64 count_of(const Layout &layout, u64 word) {
    return static_cast<i64>(is_half(layout) ? word & (kCarry | 0xffffffffu) : word);
}

// Halves: bit 31 of the count, or what became of it. 3.11 gave a large count to its static objects.
inline bool is_immortal_count(const Layout &layout, u64 word) {
    if (is_half(layout)) return word >> 31 & 1 || is_carried(layout, word);
    return layout.kinds.refcount == kind::refcount::word_or_static && word > kStaticRefcount / 2;
}

// Freed memory begins with the address of the next free block. The C library's malloc mixes it with
// its own place (glibc, PROTECT_PTR).
inline bool is_free_link(MemoryImage &memory, u64 address, u64 word) {
    const u64 link = word & (kCarry | 0xffffffffu), plain = link ^ address >> 12;
    return memory.find(link) != nullptr || plain == 0 || memory.find(plain) != nullptr;
}

// Whether a live object may begin at this address with this word.
inline bool is_plausible_count(MemoryImage &memory, const Layout &layout, u64 address, u64 word) {
    if (is_carried(layout, word)) return !is_free_link(memory, address, word);
    const i64 count = count_of(layout, word);
    return count > 0 && count <= kMaxRefcount;
}

}  // namespace heapgraph
