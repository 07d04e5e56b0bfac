// The copy of the target's memory: which blocks are here, and how they come.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "walker/image/region.hpp"

namespace heapgraph {

// Memory of a process that has a hole in its address space every so often costs us what it costs
// the process: neither is read what was never written, nor has it pages here (see set_filled).
//
// Several threads may read, each by a MemoryImage of its own; whoever asks for Region::used while
// others do asks after keep_used_blocks. A thread of its own copies the blocks behind the one in
// use, since copying (and the kernel's clearing of our pages) takes as long as the walk itself.
class MemoryStore {
public:
    // See MemoryImage::open.
    static std::shared_ptr<MemoryStore> open(std::vector<FilePiece> pieces,
                                             const AddressRange *regions, u64 count);
    ~MemoryStore();
    void forget();

    MemoryStore(const MemoryStore &) = delete;
    MemoryStore &operator=(const MemoryStore &) = delete;

    void set_filled(const AddressRange *ranges, u64 count);
    void set_constant(const AddressRange *ranges, u64 count);
    void set_limit(u64 bytes) { most_bytes_ = bytes; }
    // From now on, Region::used stays as it is: no object is looked for any more.
    void keep_used_blocks() { is_used_kept_ = true; }

    std::vector<Region> &regions() { return regions_; }
    // The region of an address by the index of them all; null for none.
    Region *find(u64 address);
    const Region *region_of(u64 address) const;
    // The part that holds something and ends behind the address.
    AddressRange filled_from(u64 address) const;
    // A block is wanted that is not in use yet: it is here when this returns, and its successors
    // are on their way. False for one where nothing was ever written.
    bool use_block(Region &region, u64 block);
    const u8 *glance(const Region &region, u64 block, u8 *buffer);
    void drop_ahead();
    // True when the bytes were answered for by what is already copied, or by there being no such
    // memory.
    bool copy_if_here(u64 address, u64 size, u8 *to);
    // Bytes read into memory of the caller's.
    u64 copy_out(u8 *to, u64 from, u64 size);

    u64 bytes_read() const { return bytes_read_.load(std::memory_order_relaxed); }
    u64 bytes_unreadable() const { return bytes_unreadable_.load(std::memory_order_relaxed); }
    u64 bytes_left_out() const { return bytes_left_out_.load(std::memory_order_relaxed); }

private:
    static constexpr unsigned kChunkShift = 21;  // one index entry per 2 MiB of address space

    explicit MemoryStore(std::vector<FilePiece> pieces) : pieces_(std::move(pieces)) {}
    bool reserve(Region &region);
    void map_pieces(Region &region);
    void index_regions();
    bool load_if_absent(Region &region, u64 block);
    bool load_block(Region &region, u64 block);
    bool load_range(Region &region, u64 begin, u64 end);
    u64 copy_in(u8 *to, u64 from, u64 size);
    void glance_range(const Region &region, u64 begin, u64 end, u8 *to);
    void start_reading_ahead();
    void stop_reading_ahead();
    void read_ahead();

    std::vector<FilePiece> pieces_;
    std::vector<Region> regions_;
    std::vector<std::unique_ptr<u32[]>>
        chunks_;  // [address >> 39][chunk in it] = first region, or none
    std::atomic<u64> bytes_read_{0};
    std::atomic<u64> bytes_unreadable_{0};
    std::atomic<u64> bytes_left_out_{0};
    u64 most_bytes_ = UINT64_MAX;
    std::vector<AddressRange> filled_;  // see set_filled
    bool knows_filled_ = false;
    bool is_used_kept_ = false;
    std::mutex used_mutex_;  // of Region::used
    u64 maps_ = 0;
    std::atomic<u64> wanted_{0};  // region << 32 | block that was used last, plus one; kStop
    std::thread reader_;
};

}  // namespace heapgraph
