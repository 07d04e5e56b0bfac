// Where in their targets pointers lead: what many have in common leads to a field, or to the begin.
#pragma once

#include <unordered_map>

#include "walker/chunks/chunk_map.hpp"

namespace heapgraph {

// The byte `inside` of a chunk of that size.
struct Spot {
    u64 size, inside;
    bool operator==(const Spot &) const = default;
};

// A pointer at an offset of a block of some size, and the spot that it leads to.
struct Place {
    u64 size, offset;
    Spot spot;
    bool operator==(const Place &) const = default;
};

struct PlaceHash {
    u64 operator()(const Spot &it) const { return mixed(mixed(it.size) ^ it.inside); }
    u64 operator()(const Place &it) const {
        return mixed(mixed(it.size) ^ it.offset) ^ operator()(it.spot);
    }

private:
    static u64 mixed(u64 value) {
        value *= 0x9E3779B97F4A7C15ull;
        return value ^ value >> 32;
    }
};

inline Spot spot_of(const ChunkMap &chunks, u32 chunk, u64 address) {
    return {chunks.size(chunk), address - chunks.start_of(address)};
}

// Pointers to chunks, by where they lead.
class UsualSpots {
public:
    void add(const Spot &spot) {
        ++of_size_[spot.size].all;
        ++of_spot_[spot];
    }
    void add(const UsualSpots &others) {
        for (const auto &[size, more] : others.of_size_) of_size_[size].all += more.all;
        for (const auto &[spot, count] : others.of_spot_) of_spot_[spot] += count;
    }
    // When all were added.
    void settle() {
        for (const auto &[spot, count] : of_spot_) {
            Size &size = of_size_.at(spot.size);
            if (count * kUsualShare >= size.all) size.usual += count;
        }
    }
    // Whether it is no begin, and nearly all pointers to chunks of that size lead to a few spots
    // elsewhere: into the memory of an arena they lead anywhere. Of few pointers it is not known.
    bool is_odd(const Spot &spot) const {
        if (spot.inside == 0) return false;
        const auto size = of_size_.find(spot.size);
        if (size == of_size_.end() || size->second.all < kFewest ||
            size->second.usual < size->second.all - size->second.all / kOtherShare)
            return false;
        const auto here = of_spot_.find(spot);
        return here == of_spot_.end() || here->second * kUsualShare < size->second.all;
    }

private:
    static constexpr u64 kFewest = 16, kUsualShare = 32, kOtherShare = 8;

    struct Size {
        u64 all = 0, usual = 0;
    };
    std::unordered_map<u64, Size> of_size_;
    std::unordered_map<Spot, u64, PlaceHash> of_spot_;
};

}  // namespace heapgraph
