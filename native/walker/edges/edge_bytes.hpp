// The edges of all chunks, in few bytes: most pointers lead to a chunk nearby.
#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "walker/chunks/chunk_map.hpp"
#include "walker/edges/chunk_bits.hpp"

namespace heapgraph {

// A chunk and how it is pointed at, in 32 bits.
using Target = u32;
constexpr u32 kMaxChunks = 1u << 30;
constexpr Target make_target(Pointer pointer) {
    return pointer.chunk << 2 | static_cast<u32>(pointer.aim);
}
constexpr u32 chunk_of(Target target) { return target >> 2; }
constexpr Aim aim_of(Target target) { return static_cast<Aim>(target & 3); }

// An edge is the distance and the aim, seven bits to a byte, the aim in the lowest two of the first
// one.
inline void append_edge(Column<u8> &bytes, u32 source, Target target) {
    const i64 distance = i64{chunk_of(target)} - i64{source};
    const u64 folded = static_cast<u64>(distance) << 1 ^ static_cast<u64>(distance >> 63);
    u64 value = folded << 2 | (target & 3);
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<u8>(value | 0x80));
    bytes.push_back(static_cast<u8>(value));
}

// One thread may say how an edge is believed while others read where it leads.
inline std::atomic_ref<u8> shared_byte(const Column<u8> &bytes, u32 place) {
    return std::atomic_ref<u8>(const_cast<u8 &>(bytes[place]));
}
// The edge at a place, which goes on to the next one.
inline Target next_edge(const Column<u8> &bytes, u32 source, u32 &place) {
    u64 value = shared_byte(bytes, place++).load(std::memory_order_relaxed);
    if (value & 0x80) {
        value &= 0x7f;
        u8 byte = 0x80;
        for (unsigned shift = 7; byte & 0x80; shift += 7) {
            byte = bytes[place++];
            value |= u64{byte & 0x7fu} << shift;
        }
    }
    const u64 folded = value >> 2;
    const i64 distance = static_cast<i64>(folded >> 1) ^ -static_cast<i64>(folded & 1);
    const u64 chunk = static_cast<u64>(i64{source} + distance);
    return static_cast<u32>(chunk << 2 | (value & 3));
}
inline void doubt_edge(Column<u8> &bytes, u32 place) {
    const auto byte = shared_byte(bytes, place);
    byte.store(
        static_cast<u8>(byte.load(std::memory_order_relaxed) | static_cast<u8>(Aim::kDoubtful)),
        std::memory_order_relaxed);
}
// An edge without an aim is a stray.
inline void stray_edge(Column<u8> &bytes, u32 place) { bytes[place] &= static_cast<u8>(~3); }

// The edges of each chunk, one chunk behind the other: a place for eight chunks, and a byte for the
// length of each.
class EdgeBytes {
public:
    Column<u8> bytes;
    u64 count = 0;
    bool has_strays = false;
    Bits says_size;    // the chunk begins with the bytes that it was asked for
    Column<u8> marks;  // of each chunk, see ChunkMarks; made when the edges are whole

    void start(u64 chunks) {
        lengths_.resize(chunks + kGroup);  // the last group is read as a whole
        says_size = Bits(chunks);
        chunks_ = chunks;
    }
    // More bytes of a chunk, which come in the order of the chunks.
    void add_length(u32 chunk, u32 length) {
        const u64 all = u64{lengths_[chunk]} + length;
        if (lengths_[chunk] == kLong) {
            long_.back().second += length;
        } else if (all < kLong) {
            lengths_[chunk] = static_cast<u8>(all);
        } else {
            lengths_[chunk] = kLong;
            long_.emplace_back(chunk, static_cast<u32>(all));
        }
    }
    // When all lengths are there.
    void finish() {
        u32 place = 0;
        starts_.resize(chunks_ / kGroup + 1);
        for (u64 chunk = 0; chunk < chunks_; ++chunk) {
            if (chunk % kGroup == 0) starts_[chunk / kGroup] = place;
            place += length(static_cast<u32>(chunk));
        }
    }
    bool any(u32 chunk) const { return lengths_[chunk] != 0; }

    struct Places {
        u32 begin, end;
    };
    Places places(u32 chunk) const {
        const u32 group = chunk / kGroup, row = chunk % kGroup;
        u64 before;
        std::memcpy(&before, lengths_.data() + u64{group} * kGroup, sizeof before);
        before &= (u64{1} << row * 8) - 1;
        u32 begin = starts_[group];
        if (long_.empty() || !has_long(before)) {
            constexpr u64 kEven = 0x00ff00ff00ff00ff;
            begin += ((before & kEven) + (before >> 8 & kEven)) * 0x0001000100010001 >> 48;
        } else {
            for (u32 one = chunk - row; one < chunk; ++one) begin += length(one);
        }
        return {begin, begin + length(chunk)};
    }
    // Visits (target, its place) of the edges of a chunk.
    template <typename Visit>
    void each(u32 chunk, Visit visit) const {
        const Places all = places(chunk);
        for (u32 at = all.begin; at < all.end;) {
            const u32 place = at;
            visit(next_edge(bytes, chunk, at), place);
        }
    }

private:
    static constexpr u64 kGroup = 8;
    static constexpr u8 kLong = 0xff;

    // Whether one of eight bytes is kLong.
    static bool has_long(u64 lengths) {
        constexpr u64 kOnes = 0x0101010101010101;
        return ((~lengths - kOnes) & lengths & kOnes << 7) != 0;
    }
    u32 length(u32 chunk) const {
        if (lengths_[chunk] != kLong) return lengths_[chunk];
        return std::lower_bound(long_.begin(), long_.end(), std::pair{chunk, u32{0}})->second;
    }

    u64 chunks_ = 0;
    Column<u8> lengths_;
    Column<u32> starts_;                     // of every eighth chunk
    std::vector<std::pair<u32, u32>> long_;  // chunks with more bytes than fit, by number
};

}  // namespace heapgraph
