// Where objects lie in the bitmaps of their regions.
#pragma once

#include <atomic>
#include <bit>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

struct Position {
    Region *region;
    u64 bit;

    bool is_known() const {
        const std::atomic_ref<u64> word(region->known[bit >> 6]);
        return word.load(std::memory_order_relaxed) >> (bit & 63) & 1;
    }
    // False when it was known already.
    bool make_known() const {
        const std::atomic_ref<u64> word(region->known[bit >> 6]);
        const u64 mask = u64{1} << (bit & 63);
        return !(word.fetch_or(mask, std::memory_order_relaxed) & mask);
    }
    bool is_tracked() const { return region->tracked[bit >> 6] >> (bit & 63) & 1; }
    // The id of a known object; after Walker::number_objects.
    u32 id() const {
        const u64 word = bit >> 6;
        const u64 below = region->known[word] & ((u64{1} << (bit & 63)) - 1);
        return region->ranks[word] + std::popcount(below);
    }
};

// False where no object can begin.
inline bool find_position(MemoryImage &image, u64 address, Position &out) {
    if (address == 0 || address & 7) return false;
    out.region = image.find(address);
    if (out.region == nullptr || out.region->is_constant) return false;
    out.bit = (address - out.region->start) >> 3;
    return true;
}

// The id of the object that begins at an address; kNoRow where none does.
constexpr u32 kNoRow = HG_NO_ROW;
inline u32 find_id(MemoryImage &image, u64 address) {
    Position at;
    return find_position(image, address, at) && at.is_known() ? at.id() : kNoRow;
}

// Objects that lie in one block of a region: where their ids begin.
struct NumberedBlock {
    u32 first_id;
    u32 region;
    u32 block;
};

// Which words of the bitmaps of its region a block has.
struct BlockWords {
    u64 begin;
    u64 end;
};
inline BlockWords words_of(const Region &region, u64 block) {
    return {block * kBlockWords, std::min(region.size / 512 + 1, (block + 1) * kBlockWords)};
}

// The objects of a block in the order of their addresses, which is that of their ids.
template <typename Visit>
void each_object_in(Region &region, u64 block, Visit visit) {
    const auto [begin, end] = words_of(region, block);
    for (u64 word = begin; word < end; ++word) {
        for (u64 bits = region.known[word]; bits != 0; bits &= bits - 1) {
            const u64 bit = word * 64 + std::countr_zero(bits);
            visit(region.start + bit * 8, Position{&region, bit});
        }
    }
}

}  // namespace heapgraph
