// Where in their targets pointers lead: what many have in common leads to a field, or to the begin.
// Nothing here is hashed: a target that chose its pointers could have them all in one bucket.
#pragma once

#include <map>

#include "walker/chunks/chunk_map.hpp"

namespace heapgraph {

// The byte `inside` of a chunk of that size.
struct Spot {
    u64 size, inside;
    auto operator<=>(const Spot &) const = default;
};

// A pointer at an offset of a block of some size, and the spot that it leads to.
struct Place {
    u64 size, offset;
    Spot spot;
    auto operator<=>(const Place &) const = default;
};

inline Spot spot_of(const ChunkMap &chunks, u32 chunk, u64 address) {
    return {chunks.size(chunk), address - chunks.start_of(address)};
}

// Pointers to chunks, by where they lead.
class UsualSpots {
public:
    void add(const Spot &spot, u64 count = 1) {
        Size &size = sizes_[spot.size];
        size.all += count;
        if (size.is_scattered || has_too_many_) return;
        const auto [here, is_new] = size.spots.emplace(spot.inside, 0);
        here->second += count;
        if (!is_new) return;
        ++spots_;
        if (size.spots.size() > kMostOfSize) {
            spots_ -= size.spots.size();
            size.spots.clear();
            size.is_scattered = true;
        }
        has_too_many_ = spots_ > kMost;
    }
    void add(const UsualSpots &others) {
        has_too_many_ |= others.has_too_many_;
        for (const auto &[size, more] : others.sizes_) {
            Size &all = sizes_[size];
            all.is_scattered |= more.is_scattered;
            for (const auto &[inside, count] : more.spots) add({size, inside}, count);
        }
    }
    // Whether it is no begin, and nearly all pointers to chunks of that size lead to a few spots
    // elsewhere: into the memory of an arena they lead anywhere. Of few pointers it is not known.
    bool is_odd(const Spot &spot) const {
        const auto found = sizes_.find(spot.size);
        if (spot.inside == 0 || has_too_many_ || found == sizes_.end()) return false;
        const Size &size = found->second;
        if (size.is_scattered || size.all < kFewest ||
            size.usual < size.all - size.all / kOtherShare)
            return false;
        const auto here = size.spots.find(spot.inside);
        return here == size.spots.end() || here->second * kUsualShare < size.all;
    }
    // When all were added.
    void settle() {
        for (auto &[bytes, size] : sizes_) {
            for (const auto &[inside, count] : size.spots) {
                if (count * kUsualShare >= size.all) size.usual += count;
            }
        }
    }

private:
    static constexpr u64 kFewest = 16, kUsualShare = 32, kOtherShare = 8;
    static constexpr u64 kMostOfSize = 1 << 10, kMost = 1 << 16;  // different spots

    struct Size {
        u64 all = 0, usual = 0;
        bool is_scattered = false;  // pointers lead to so many spots that none is usual
        std::map<u64, u64> spots;   // by byte
    };
    std::map<u64, Size> sizes_;
    u64 spots_ = 0;
    bool has_too_many_ = false;
};

}  // namespace heapgraph
