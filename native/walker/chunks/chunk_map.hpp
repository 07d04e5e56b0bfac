// The chunks of glibc's malloc by number, behind them the blocks of other allocators, and then
// those of CPython's own that are no objects; and which of them a pointer leads into: 2 bytes of
// memory for each, and one for 64 bytes of a heap.
#pragma once

#include <memory>
#include <vector>

#include "walker/chunks/heap_record.hpp"
#include "walker/chunks/slab_blocks.hpp"
#include "walker/chunks/small_blocks.hpp"
#include "walker/image/processor.hpp"
#include "walker/image/windows.hpp"
#include "walker/walk/columns.hpp"

namespace heapgraph {

constexpr u32 kNoChunk = UINT32_MAX;
constexpr u64 kChunkHeader =
    16;  // size of the chunk before (when that is free), own size and flags
constexpr u64 kChunkStep = 16;

// What a chunk is.
enum class ChunkUse : u8 {
    kFree = 0,
    kNative,  // in use, and of no object that is known
    kObject,  // an object lies in it
    kBuffer,  // an object that counts it in its shallow size has it
};

// How a pointer leads to a chunk; also how far it is believed.
enum class Aim : u8 { kNothing = 0, kStart = 1, kInside = 2, kDoubtful = 3 };

struct Pointer {
    u32 chunk = kNoChunk;
    Aim aim = Aim::kNothing;
};

class ChunkMap {
public:
    // A heap, or one mapped chunk.
    struct Span {
        u64 start;  // of the first header
        u64 end;
        u64 first_word;  // of the bits of this heap; unused for a mapped chunk
        u32 first_chunk;
        bool is_mapped;
        const Region *region;  // that it lies in; may be null
    };

    // The chunks of one heap, one behind the other from its first chunk on; false when there are
    // more than `most` in all.
    bool add_heap(WindowReader &reader, AddressRange heap, u64 most);
    // The same of chunks that were noted before.
    bool add_heap(const HeapRecord &heap, u64 most);
    // One chunk that has a mapping of its own.
    void add_mapped(AddressRange chunk);
    // To be called when all are there, which came in the order of their addresses and overlap
    // nowhere: until then no address is found.
    void finish(const MemoryImage &image);

    // Blocks of other allocators; after finish(). False when there are more than `most` then.
    bool add_slabs(const MemoryImage &image, const hg_native_places &places, u64 most);
    const SlabBlocks &slabs() const { return slabs_; }
    bool is_of_slab(u32 chunk) const {
        return chunk >= first_slab_ && chunk - first_slab_ < slabs_.count();
    }

    // Blocks that may be buffers of objects yet; until they are numbered, no pointer leads to them.
    SmallBlocks &small_blocks() { return small_; }
    const SmallBlocks &small_blocks() const { return small_; }
    // Numbers them behind the chunks; false when there are more than `most` then.
    bool number_small(u64 most);
    u64 first_small() const { return first_small_; }

    // The chunk whose usable bytes have this address in or right behind them.
    Pointer find(u64 address) const {
        if (!may_lead(address)) return {};
        return parts_.empty() || !parts_[address >> kTopShift] ? find_block(address)
                                                               : find_anywhere(address);
    }
    // From the first chunk to the last one, with what pointers right behind it lead to.
    AddressRange all() const { return {lowest_, highest_}; }
    bool may_lead(u64 address) const { return address - lowest_ < highest_ - lowest_; }
    // The same for an address in a heap's span.
    Pointer find_in(const Span &span, u64 address) const;
    // The chunk that begins with a header at this address, or the block of a slab that begins where
    // the header would end.
    u32 headed(u64 address) const;
    // The first usable byte of the chunk that find() gives for an address; 0 where it gives none.
    u64 start_of(u64 address) const;

    u64 count() const { return uses_.size(); }
    ChunkUse use(u32 chunk) const { return static_cast<ChunkUse>(uses_[chunk]); }
    void set_use(u32 chunk, ChunkUse use) { uses_[chunk] = static_cast<u8>(use); }
    // Bytes with the header; a block of a pool or slab has none.
    u64 size(u32 chunk) const {
        const u64 steps = sizes_[chunk];
        return steps == 0 ? SlabBlocks::kSmallest : steps * kChunkStep;
    }

    const std::vector<Span> &spans() const { return spans_; }
    const Span *span_of(u64 address) const;
    bool begins(const Span &span, u64 address) const {
        const u64 bit = (address - span.start) / kChunkStep;
        return words_[span.first_word + bit / 64].bits >> (bit % 64) & 1;
    }
    // Where the next chunk of a heap begins, from this address on; or the limit.
    u64 next_begin(const Span &span, u64 address, u64 limit) const {
        const u64 last = words_of(span.end - span.start);
        u64 bit = (address - span.start + kChunkStep - 1) / kChunkStep, word = bit / 64;
        if (word >= last) return limit;
        u64 bits = words_[span.first_word + word].bits & (~u64{0} << bit % 64);
        while (bits == 0) {
            if (++word >= last || span.start + word * 64 * kChunkStep >= limit) return limit;
            bits = words_[span.first_word + word].bits;
        }
        bit = word * 64 + static_cast<u64>(__builtin_ctzll(bits));
        return std::min(limit, span.start + bit * kChunkStep);
    }
    // Whether an object, or its head for the collector, is at an address in a chunk.
    bool is_object(const MemoryImage &image, u32 chunk, u64 address) const {
        const Span *span = is_of_slab(chunk) ? nullptr : span_of(address);
        const Region *region = span != nullptr ? span->region : image.region_of(address);
        if (region == nullptr || address % 8 != 0) return false;
        const u64 bit = (address - region->start) / 8, behind = bit + 2;
        const u64 *known = region->known;
        return (known[bit / 64] >> (bit % 64) | known[behind / 64] >> (behind % 64)) & 1;
    }
    // Visits (chunk, address of its header or of its first byte) in the order of the numbers.
    template <typename Visit>
    void each(Visit visit) const {
        for (const Span &span : spans_) {
            if (span.is_mapped) {
                visit(span.first_chunk, span.start);
                continue;
            }
            u32 chunk = span.first_chunk;
            const u64 words = words_of(span.end - span.start);
            for (u64 word = 0; word < words; ++word) {
                for (u64 bits = words_[span.first_word + word].bits; bits != 0; bits &= bits - 1) {
                    const u64 bit = word * 64 + static_cast<u64>(__builtin_ctzll(bits));
                    visit(chunk++, span.start + bit * kChunkStep);
                }
            }
        }
        slabs_.each([&](u32 number, u64 start, u64) { visit(number, start); });
        if (first_small_ == kNoChunk) return;
        u32 chunk = first_small_;
        small_.each([&](u64 start, u64) { visit(chunk++, start); });
    }

private:
    // 64 places for chunks, side by side because a pointer is looked up in both.
    struct Word {
        u64 bits;    // one for every 16 bytes: a chunk begins here
        u32 before;  // chunks before this word
    };

    Pointer find_anywhere(u64 address) const;
    void widen(u64 start, u64 end);
    void end_heap(Span span, AddressRange heap);
    // What is no chunk of malloc. A block that a slab has free is no chunk, and doubtful.
    Pointer find_block(u64 address) const {
        SlabBlock found;
        switch (slabs_.find(address, found)) {
        case SlabBlocks::Found::kUsed:
            return {found.number, address == found.start ? Aim::kStart : Aim::kInside};
        case SlabBlocks::Found::kFree: return {kNoChunk, Aim::kDoubtful};
        case SlabBlocks::Found::kNothing: break;
        }
        if (first_small_ == kNoChunk) return {};
        const SmallBlock block = small_.find(address);
        if (block.size == 0) return {};
        return {static_cast<u32>(small_.number_of(block.start)),
                address == block.start ? Aim::kStart : Aim::kInside};
    }
    static constexpr unsigned kTopShift = 39, kPartShift = 21;
    static constexpr u64 kParts = u64{1} << (kTopShift - kPartShift);
    static u64 words_of(u64 bytes) { return bytes / kChunkStep / 64 + 1; }
    u32 rank(const Span &span, u64 bit) const {
        const Word &word = words_[span.first_word + bit / 64];
        const u64 upto = word.bits & (~u64{0} >> (63 - bit % 64));
        return word.before + static_cast<u32>(__builtin_popcountll(upto)) - 1;
    }

    std::vector<Span> spans_;
    SlabBlocks slabs_;
    u32 first_slab_ = kNoChunk;  // number of the first one
    SmallBlocks small_;
    u32 first_small_ = kNoChunk;  // number of the first one
    Column<Word> words_;          // of each heap
    Column<u8> uses_;
    NarrowColumn<u8> sizes_;                     // in steps of 16 bytes
    u64 lowest_ = 0, highest_ = 0;               // see may_lead
    std::vector<std::unique_ptr<u32[]>> parts_;  // [address >> 39][part in it] = first span
};

// The usable bytes of a chunk begin behind its header and end with the first word of the next
// header. A pointer right behind them is an end pointer of this chunk; the second word of a header
// is nobody's. The span has the byte 9 in front of the address, which is behind its first header.
inline Pointer ChunkMap::find_in(const Span &span, u64 address) const {
    const u64 inside = address - 9;
    const u32 chunk = rank(span, (inside - span.start) / kChunkStep);
    if (address % kChunkStep != 0) return {chunk, Aim::kInside};
    if (begins(span, address - kChunkHeader)) return {chunk, Aim::kStart};
    // The address of the next header: what malloc leaves in a block that it had in a list of free
    // ones. It means the next chunk, and nothing where that is free.
    if (address < span.end && begins(span, address)) {
        const bool is_list = use(chunk + 1) == ChunkUse::kFree;
        return {chunk, is_list ? Aim::kNothing : Aim::kDoubtful};
    }
    return {chunk, Aim::kInside};
}

}  // namespace heapgraph
