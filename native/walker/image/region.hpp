// What the walker's copy of the target's memory is made of: regions, and windows on them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "walker/api/walker.h"

namespace heapgraph {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i64 = std::int64_t;
using i32 = std::int32_t;
using i8 = std::int8_t;

// A checked window on copied memory. Reads outside of it give zero.
class View {
public:
    View() = default;
    View(const u8 *data, u64 size) : data_(data), size_(size) {}

    explicit operator bool() const { return data_ != nullptr; }
    u64 size() const { return size_; }

    template <typename T>
    T read(i64 offset) const {
        T value{};
        if (offset >= 0 && static_cast<u64>(offset) + sizeof(T) <= size_) {
            std::memcpy(&value, data_ + offset, sizeof(T));
        }
        return value;
    }
    u64 u64_at(i64 offset) const { return read<u64>(offset); }
    i64 i64_at(i64 offset) const { return read<i64>(offset); }
    u32 u32_at(i64 offset) const { return read<u32>(offset); }
    u8 u8_at(i64 offset) const { return read<u8>(offset); }
    // The bytes themselves, for previews and bulk comparison; [0, size()) only.
    const u8 *bytes() const { return data_; }

private:
    const u8 *data_ = nullptr;
    u64 size_ = 0;
};

// What is known of a block of a region. Only a used one may be read without a look at the others;
// in an empty one nothing was ever written.
enum class Block : u8 { kUnread = 0, kArriving, kAhead, kUsed, kEmpty };

using AddressRange = hg_range;
using FilePiece = hg_file_piece;

// A run of contiguous readable mappings with its local copy and the two sets of objects in it:
// one bit per 8 bytes for "known object" and "in a list of the collector".
struct Region {
    u64 start = 0;
    u64 size = 0;
    u8 *copy = nullptr;      // reserved, filled block by block
    Block *state = nullptr;  // one `Block` per block
    u64 *known = nullptr;    // bitmap of object starts
    u64 *tracked = nullptr;  // bitmap of GC-tracked object starts
    u32 *ranks = nullptr;    // per bitmap word: objects before it (made by number_objects)
    std::vector<u32>
        used;  // blocks in use, where alone objects can be; in order after number_objects
    std::vector<AddressRange> mapped;  // parts of the copy that are the pages of a file
    bool is_constant = false;          // see MemoryImage::set_constant
};

constexpr unsigned kBlockShift = 18;  // 256 KiB: large enough for one call to be cheap
constexpr u64 kBlockBytes = u64{1} << kBlockShift;
constexpr u64 kBlockWords = kBlockBytes / 512;  // of the bitmaps

// The first of disjoint, rising ranges that ends behind an address.
inline std::vector<AddressRange>::const_iterator
first_behind(const std::vector<AddressRange> &ranges, u64 address) {
    return std::upper_bound(
        ranges.begin(), ranges.end(), address,
        [](u64 wanted, const AddressRange &range) { return wanted < range.end; });
}

}  // namespace heapgraph
