#include "walker/chunks/small_blocks.hpp"

#include <algorithm>
#include <bitset>

#include "walker/image/windows.hpp"

namespace heapgraph {
namespace {

// struct pool_header of Objects/obmalloc.c
constexpr u64 kUsed = 0, kFreeBlock = 8, kNextOffset = 40;
constexpr u64 kLargestPool = 1 << 14, kLargestBlock = 512;
constexpr u64 kFarthestHead = 48;  // from a block's first byte to the object in it
using IsTypeAt = SmallBlocks::IsTypeAt;
constexpr u64 kFirstType = 8, kLastType = 40;  // where an object's type may stand in its block

template <typename T>
T read(const u8 *bytes, u64 offset) {
    T value;
    std::memcpy(&value, bytes + offset, sizeof value);
    return value;
}

bool holds_object(const Region &region, u64 address, u64 size) {
    for (u64 head = 0; head <= kFarthestHead && head < size; head += 8) {
        const u64 bit = (address + head - region.start) / 8;
        if (region.known[bit / 64] >> (bit % 64) & 1) return true;
    }
    return false;
}

// Objects of a pool: mostly all that is in use there.
u64 count_objects(const Region &region, u64 pool, u64 pool_size) {
    u64 found = 0;
    const u64 first = (pool - region.start) / 8;
    for (u64 bit = first; bit < first + pool_size / 8; bit += 64) {
        const u64 word = bit / 64, shift = bit % 64;
        u64 bits = region.known[word] >> shift;
        if (shift != 0) bits |= region.known[word + 1] << (64 - shift);
        found += static_cast<u64>(__builtin_popcountll(bits));
    }
    return found;
}

// What waits in a free list of the interpreter still has its type, and no references. A struct of C
// code may have a word from what was there before, as padding.
bool was_object(const MemoryImage &image, const IsTypeAt &is_type, const u8 *block, u64 size) {
    for (u64 at = kFirstType; at + 8 <= size && at <= kLastType; at += 8) {
        const u64 word = read<u64>(block, at);
        const Region *region = word % 8 == 0 ? image.region_of(word) : nullptr;
        if (region == nullptr) continue;
        const u64 bit = (word - region->start) / 8;
        if (region->known[bit / 64] >> (bit % 64) & 1 && is_type(word, at, size)) return true;
    }
    return false;
}

}  // namespace

SmallBlocks::Part &SmallBlocks::make_part(u64 address) {
    if (top_.empty()) top_.resize(kAddresses >> kTopShift);
    auto &table = top_[address >> kTopShift];
    if (!table) table.reset(new Part *[kPartsOfTop]());
    Part *&part = table[(address >> kPartShift) % kPartsOfTop];
    if (part == nullptr) {
        parts_.push_back(std::make_unique<Part>());
        part = parts_.back().get();
        part->start = address & ~(kPartBytes - 1);
    }
    return *part;
}

void SmallBlocks::add_pools(MemoryImage &image, const IsTypeAt &is_type, const u64 *pools,
                            const u32 *block_sizes, u64 count, u64 pool_size) {
    if (pool_size < kSmallestPool || pool_size > kLargestPool || (pool_size & (pool_size - 1)) != 0)
        return;
    pool_size_ = pool_size;
    WindowReader reader(image);
    std::vector<u8> buffer(pool_size);
    for (u64 i = 0; i < count; ++i) {
        const u64 pool = pools[i], size = block_sizes[i];
        const Region *region = image.region_of(pool);
        if (pool % pool_size != 0 || pool >= kAddresses || size < kStep || size > kLargestBlock ||
            size % kStep != 0 || region == nullptr ||
            pool + pool_size > region->start + region->size)
            continue;
        const Window window = reader.at(pool, pool + pool_size);
        if (window.data != nullptr && window.end == pool + pool_size) {
            add_pool(image, is_type, pool, size, window.data);
        } else {
            image.gather(&pool, 1, pool_size, buffer.data());
            add_pool(image, is_type, pool, size, buffer.data());
        }
    }
}

void SmallBlocks::add_pool(const MemoryImage &image, const IsTypeAt &is_type, u64 pool, u64 size,
                           const u8 *bytes) {
    const Region &region = *image.region_of(pool);
    const u64 used = read<u32>(bytes, kUsed);
    const u64 end = std::min<u64>(read<u32>(bytes, kNextOffset), pool_size_);
    if (used == 0 || used <= count_objects(region, pool, pool_size_)) return;
    std::bitset<kLargestPool / kStep> is_free;
    u64 left = (pool_size_ - kPoolHeader) / size;
    for (u64 at = read<u64>(bytes, kFreeBlock); left-- > 0;) {
        if (at < pool + kPoolHeader || at + size > pool + pool_size_ ||
            (at - pool - kPoolHeader) % size != 0)
            break;
        is_free.set((at - pool) / kStep);
        at = read<u64>(bytes, at - pool);
    }
    Part *part = nullptr;
    for (u64 at = kPoolHeader; at + size <= end; at += size) {
        if (is_free[at / kStep] || holds_object(region, pool + at, size) ||
            was_object(image, is_type, bytes + at, size))
            continue;
        if (part == nullptr) {
            part = &make_part(pool);
            std::fill_n(part->sizes + (pool - part->start) / kSmallestPool,
                        pool_size_ / kSmallestPool, static_cast<u8>(size / kStep));
        }
        const u64 bit = (pool + at - part->start) / kStep;
        part->bits[bit / 64] |= u64{1} << (bit % 64);
    }
}

void SmallBlocks::number(u64 first) {
    std::sort(parts_.begin(), parts_.end(),
              [](const auto &one, const auto &other) { return one->start < other->start; });
    for (const auto &part : parts_) {
        for (u64 word = 0; word < kWords; ++word) {
            part->ranks[word] = static_cast<u32>(first);
            first += static_cast<u64>(__builtin_popcountll(part->bits[word]));
        }
    }
    pools_.clear();
    each([&](u64 start, u64) {
        const u64 pool = start & ~(pool_size_ - 1);
        if (!pools_.empty() && pools_.back().end > pool) return;
        if (!pools_.empty() && pools_.back().end == pool)
            pools_.back().end = pool + pool_size_;
        else
            pools_.push_back({pool, pool + pool_size_});
    });
}

}  // namespace heapgraph
