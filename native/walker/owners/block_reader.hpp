// The pointers of blocks to what several objects lead to, with all that tells a field from a word
// that was left behind.
#pragma once

#include "walker/owners/contested.hpp"
#include "walker/owners/usual_spots.hpp"

namespace heapgraph {

// A chunk whose words are looked at again.
struct SourceBlock {
    u32 chunk;
    u64 start;  // of its usable bytes
    bool has_header;
};

// Those of slabs and pools have none.
inline bool has_header(const ChunkMap &chunks, u32 chunk) {
    return !chunks.is_of_slab(chunk) && chunk < chunks.first_small();
}

// A pointer of a block to a chunk that is contested.
struct Found {
    u32 target;
    bool is_doubtful;  // from the last word of a chunk, or to where one ends
    u64 offset;
    Spot spot;
};

// Reads the pointers of blocks to contested chunks. One for each thread.
class BlockReader {
public:
    BlockReader(MemoryImage &image, const ChunkMap &chunks, const Contested &contested)
        : image_(image), reader_(image), chunks_(chunks), contested_(contested) {}

    void read(const SourceBlock &block) {
        found_.clear();
        data_ = pointers_ = 0;
        // The last word of a chunk lies in the header behind it.
        last_ = block.start + chunks_.size(block.chunk) - kChunkHeader;
        const u64 end = last_ + (block.has_header ? 8 : kChunkHeader);
        for (u64 at = block.start; at < end;) {
            const Window window = reader_.at(at, end);
            if (window.end == window.start) break;
            for (at = window.start; window.data != nullptr && at + 8 <= window.end; at += 8)
                take(block, at, window.word(at));
            at = window.end;
        }
    }
    // The first ones: what a table of more leads to is left as it is.
    const std::vector<Found> &found() const { return found_; }
    // Whether it is mostly data: so many words of it for each pointer.
    bool is_data() const { return data_ >= pointers_ * kDataShare; }

private:
    static constexpr u64 kDataShare = 2, kMostFound = 1 << 16;

    void take(const SourceBlock &block, u64 at, u64 word) {
        const Pointer pointer = chunks_.find(word);
        if (pointer.chunk == kNoChunk) {
            if (word <= UINT32_MAX) return;  // flags and counts, in structs as well
            const bool leads = word < kAddressLimit && image_.region_of(word) != nullptr;
            ++(leads ? pointers_ : data_);
            return;
        }
        ++pointers_;
        if (found_.size() >= kMostFound || pointer.chunk == block.chunk ||
            !contested_.get(pointer.chunk) || pointer.aim == Aim::kNothing)
            return;
        const bool is_last = block.has_header && at == last_;
        found_.push_back({pointer.chunk, is_last || pointer.aim == Aim::kDoubtful, at - block.start,
                          spot_of(chunks_, pointer.chunk, word)});
    }

    const MemoryImage &image_;
    WindowReader reader_;
    const ChunkMap &chunks_;
    const Contested &contested_;
    std::vector<Found> found_;
    u64 last_ = 0, data_ = 0, pointers_ = 0;
};

}  // namespace heapgraph
