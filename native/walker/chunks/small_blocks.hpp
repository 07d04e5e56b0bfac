// Blocks of CPython's own allocator (pymalloc) that are in use and that no object lies in: memory
// of C code that asks for it with PyMem_Malloc, and buffers of objects. A bit for 16 bytes of a
// pool.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

struct SmallBlock {
    u64 start = 0;
    u64 size = 0;  // 0: there is none
};

class SmallBlocks {
public:
    // Whether a known object is a type whose objects have it at that byte of a block of that size.
    using IsTypeAt = std::function<bool(u64 object, u64 at, u64 size)>;

    // Looks through the pools; all are of one size.
    void add_pools(MemoryImage &image, const IsTypeAt &is_type, const u64 *pools,
                   const u32 *block_sizes, u64 count, u64 pool_size);
    // The block that has an address in it.
    SmallBlock find(u64 address) const {
        const Part *part = part_of(address);
        if (part == nullptr) return {};
        const u64 size = part->sizes[(address - part->start) / kSmallestPool] * kStep;
        const u64 pool = address & ~(pool_size_ - 1), offset = address - pool;
        if (size == 0 || offset < kPoolHeader) return {};
        const u64 start = address - (offset - kPoolHeader) % size;
        const u64 bit = (start - part->start) / kStep;
        if (!(part->bits[bit / 64] >> (bit % 64) & 1)) return {};
        return {start, size};
    }
    // An object has it: it is no block of C code.
    void remove(u64 start) {
        Part *part = part_of(start);
        const u64 bit = (start - part->start) / kStep;
        part->bits[bit / 64] &= ~(u64{1} << (bit % 64));
    }
    u64 count() const {
        u64 found = 0;
        each([&](u64, u64) { ++found; });
        return found;
    }
    // When no more are removed: gives them numbers in the order of their addresses.
    void number(u64 first);
    u64 number_of(u64 start) const {
        const Part *part = part_of(start);
        const u64 bit = (start - part->start) / kStep, below = (u64{1} << (bit % 64)) - 1;
        const u64 before = part->bits[bit / 64] & below;
        return part->ranks[bit / 64] + static_cast<u64>(__builtin_popcountll(before));
    }
    // Visits the start and the size of each in order.
    template <typename Visit>
    void each(Visit visit) const {
        for (const auto &part : parts_) each_of(*part, 0, kWords, visit);
    }
    // The same of those with a byte in a range, which lies in one run of pools().
    template <typename Visit>
    void each_between(u64 start, u64 end, Visit visit) const {
        const u64 first = start & ~(pool_size_ - 1);  // no block goes on in the next pool
        for (u64 at = first; at < end; at = (at / kPartBytes + 1) * kPartBytes) {
            const Part *part = part_of(at);
            if (part == nullptr) continue;
            const u64 last = std::min(end - part->start, kPartBytes);
            each_of(*part, (at - part->start) / kStep / 64, (last + kStep * 64 - 1) / kStep / 64,
                    [&](u64 block, u64 size) {
                        if (block < end && block + size > start) visit(block, size);
                    });
        }
    }
    // Runs of pools with blocks of that kind, by address; when they are numbered.
    const std::vector<AddressRange> &pools() const { return pools_; }

private:
    static constexpr u64 kStep = 16, kPoolHeader = 48, kSmallestPool = 1 << 12;
    static constexpr unsigned kTopShift = 39, kPartShift = 21;
    static constexpr u64 kPartBytes = u64{1} << kPartShift, kWords = kPartBytes / kStep / 64;
    static constexpr u64 kPartsOfTop = u64{1} << (kTopShift - kPartShift);
    static constexpr u64 kAddresses = u64{1} << 47;

    // Two MiB of addresses with pools in them.
    struct Part {
        u64 start;
        u64 bits[kWords];
        u32 ranks[kWords];                     // blocks before each word, in all
        u8 sizes[kPartBytes / kSmallestPool];  // of the blocks in each page, in steps
    };

    template <typename Visit>
    static void each_of(const Part &part, u64 word, u64 last, Visit visit) {
        for (; word < last; ++word) {
            for (u64 bits = part.bits[word]; bits != 0; bits &= bits - 1) {
                const u64 bit = word * 64 + static_cast<u64>(__builtin_ctzll(bits));
                visit(part.start + bit * kStep, part.sizes[bit * kStep / kSmallestPool] * kStep);
            }
        }
    }
    const Part *part_of(u64 address) const {
        if (address >= kAddresses || top_.empty() || !top_[address >> kTopShift]) return nullptr;
        return top_[address >> kTopShift][(address >> kPartShift) % kPartsOfTop];
    }
    Part *part_of(u64 address) {
        return const_cast<Part *>(static_cast<const SmallBlocks *>(this)->part_of(address));
    }
    Part &make_part(u64 address);
    void add_pool(const MemoryImage &image, const IsTypeAt &is_type, u64 pool, u64 size,
                  const u8 *bytes);

    u64 pool_size_ = kSmallestPool;
    std::vector<AddressRange> pools_;
    std::vector<std::unique_ptr<Part>> parts_;    // by address
    std::vector<std::unique_ptr<Part *[]>> top_;  // [address >> 39][part in it]
};

}  // namespace heapgraph
