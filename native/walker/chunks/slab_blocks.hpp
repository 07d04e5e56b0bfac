// Blocks of allocators that keep their books beside the blocks (jemalloc, mimalloc): slabs of
// blocks of one size, and a bit for each that is in use. A large block is a slab of its own.
#pragma once

#include <memory>
#include <vector>

#include "walker/api/walker.h"
#include "walker/image/memory_image.hpp"

namespace heapgraph {

// A slab's block: its number, and where it begins.
struct SlabBlock {
    u32 number;
    u64 start;
};

class SlabBlocks {
public:
    enum class Found { kNothing, kFree, kUsed };
    static constexpr u64 kSmallest = 8;  // bytes; all others are multiples of 16

    // Takes over slabs that are sorted by address, and gives the blocks in use numbers from `first`
    // on. What overlaps, is in no region of the image or has no bits is left out. False when there
    // are more than `most` blocks.
    bool add(const MemoryImage &image, const hg_slab *slabs, u64 count, const u64 *words,
             u64 word_count, u64 first, u64 most);
    u64 count() const { return count_; }

    // The block that has an address in it; of a slab with one block also the one that ends there.
    Found find(u64 address, SlabBlock &block) const {
        if (top_.empty() || address >= kAddresses || !top_[address >> kTopShift])
            return Found::kNothing;
        return find_in(address, block);
    }
    // Which allocator a block is of.
    u32 source_of(u32 number) const;
    // Visits number, start and size of the blocks in use, in order.
    template <typename Visit>
    void each(Visit visit) const {
        for (const Slab &slab : slabs_) each_of(slab, 0, slab.count, visit);
    }
    // The same of those with a byte in a range.
    template <typename Visit>
    void each_between(u64 start, u64 end, Visit visit) const {
        for (u64 i = first_slab(start); i < slabs_.size() && slabs_[i].start < end; ++i) {
            const Slab &slab = slabs_[i];
            const u64 begin = start > slab.start ? (start - slab.start) / slab.size : 0;
            const u64 behind = (std::min(end, slab.end()) - slab.start + slab.size - 1) / slab.size;
            each_of(slab, begin, behind, visit);
        }
    }
    // Runs of slabs without a gap, each in one region.
    const std::vector<AddressRange> &runs() const { return runs_; }

private:
    static constexpr u64 kAddresses = u64{1} << 47;
    static constexpr unsigned kTopShift = 39, kPartShift = 21;
    static constexpr u64 kPartsOfTop = u64{1} << (kTopShift - kPartShift);

    struct Slab {
        u64 start, size;  // size of a block
        u64 first_word;
        u32 count, source;
        u64 end() const { return start + size * count; }
    };
    struct Word {
        u64 bits;
        u32 before;  // number of its first block
    };

    template <typename Visit>
    void each_of(const Slab &slab, u64 begin, u64 end, Visit visit) const {
        for (u64 word = begin / 64; word * 64 < end; ++word) {
            const Word &here = words_[slab.first_word + word];
            u32 number = here.before;
            for (u64 bits = here.bits; bits != 0; bits &= bits - 1, ++number) {
                const u64 index = word * 64 + static_cast<u64>(__builtin_ctzll(bits));
                if (index >= begin && index < end)
                    visit(number, slab.start + index * slab.size, slab.size);
            }
        }
    }
    Found find_in(u64 address, SlabBlock &block) const;
    bool take(const Slab &slab, u64 index, SlabBlock &block) const;
    // The first slab that ends behind an address.
    u64 first_slab(u64 address) const;
    void note_places();

    std::vector<Slab> slabs_;
    std::vector<Word> words_;
    std::vector<AddressRange> runs_;
    std::vector<std::unique_ptr<u32[]>> top_;  // [address >> 39][part in it] = first slab there
    u64 count_ = 0;
};

}  // namespace heapgraph
