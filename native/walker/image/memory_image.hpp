// The target's memory as the walker sees it: regions, copied block by block when first read.
//
// Every read goes through view(): it checks that the whole range lies in one region and hands out a
// bounds-checked View. A wild address reads as "unmapped", never as a crash of ours.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "walker/image/memory_store.hpp"

namespace heapgraph {

// One thread's sight of the memory. A copy is another thread's: they share the blocks, and each
// remembers where it read last.
class MemoryImage {
public:
    // pieces: where the memory is, sorted and disjoint; what none covers reads as a hole. A process
    // is one piece of /proc/PID/mem. The caller keeps the files open until forget(). regions:
    // sorted, disjoint. Nothing is read yet. Pieces of a sealed file of memory are mapped, not
    // read: they are no second copy. Returns null for pieces or regions that overlap, or when
    // address space for the copy cannot be reserved.
    static std::unique_ptr<MemoryImage> open(std::vector<FilePiece> pieces,
                                             const AddressRange *regions, u64 count) {
        std::shared_ptr<MemoryStore> store = MemoryStore::open(std::move(pieces), regions, count);
        if (!store) return nullptr;
        return std::unique_ptr<MemoryImage>(new MemoryImage(std::move(store)));
    }
    MemoryImage(const MemoryImage &other) : MemoryImage(other.store_) {}
    MemoryImage &operator=(const MemoryImage &) = delete;

    // Gives all copies back; every address reads as unmapped afterwards. The sets of objects stay.
    void forget() { store_->forget(); }
    // What holds something: sorted, disjoint. The rest reads as zeros without being read. To be
    // called before anything is; without it, all that a piece has may hold something.
    void set_filled(const AddressRange *ranges, u64 count) { store_->set_filled(ranges, count); }
    // Regions in these ranges are code and constants of files: the program cannot write there, so
    // that nothing there is counted as an object. No more of them is read than is asked for: their
    // pages become resident in the process by our reading them.
    void set_constant(const AddressRange *ranges, u64 count) {
        store_->set_constant(ranges, count);
    }
    // No more than this is copied; what is left out reads as zeros.
    void set_limit(u64 bytes) { store_->set_limit(bytes); }
    // No more objects are looked for: the lists of blocks in use stay as they are.
    void keep_used_blocks() { store_->keep_used_blocks(); }

    View view(u64 address, u64 size) {
        Region *region = find(address);
        if (region == nullptr || region->copy == nullptr) return {};
        const u64 offset = address - region->start;
        if (size > region->size - offset) return {};
        if (!ensure(*region, offset, size)) return {};
        return {region->copy + offset, size};
    }
    // Like view(), cut short at the end of the region: for text of unknown length.
    View view_up_to(u64 address, u64 size) {
        Region *region = find(address);
        if (region == nullptr) return {};
        const u64 available = region->size - (address - region->start);
        return view(address, size < available ? size : available);
    }
    // Like view(), empty where no object can be.
    View object_view(u64 address, u64 size) {
        const Region *region = find(address);
        return region == nullptr || region->is_constant ? View{} : view(address, size);
    }
    u64 u64_at(u64 address) { return view(address, 8).u64_at(0); }
    // A C string: its first 512 bytes at most.
    std::string text(u64 address);
    // The memory of an object is wanted soon; where it is not copied yet, nothing happens.
    void prefetch(const Region &region, u64 address) const {
        __builtin_prefetch(region.copy + (address - region.start));
    }
    // Whether a whole range lies in one region; nothing is read.
    bool covers(u64 address, u64 size) {
        const Region *region = find(address);
        return region != nullptr && region->copy != nullptr &&
               size <= region->size - (address - region->start);
    }
    // The parts of a range that hold something, each no longer than 1 MiB: visit(View, offset) is
    // false to end it. They begin and end at multiples of `step` from the start; a range that no
    // region covers has none.
    template <typename Visit>
    void each_part(u64 address, u64 size, u64 step, Visit visit) {
        if (size == 0 || !covers(address, size)) return;
        if (size <= kPartBytes) {
            if (const View all = view(address, size)) visit(all, u64{0});
            return;
        }
        for (u64 at = 0; at < size;) {
            const AddressRange filled = store_->filled_from(address + at);
            if (filled.start >= address + size) return;
            if (filled.start > address + at) at = (filled.start - address) / step * step;
            const u64 wanted = std::min(size, filled.end - address) - at;
            const u64 most = std::max(step, kPartBytes / step * step);
            const u64 part = std::min(size - at, std::min(most, (wanted + step - 1) / step * step));
            const View words = view(address + at, part);
            if (words && !visit(words, at)) return;
            at += part;
        }
    }

    Region *find(u64 address) {
        if (address - last_->start < last_->size) return last_;
        // What is in the heap and what the interpreter has in its own data take turns.
        std::swap(last_, before_last_);
        if (address - last_->start < last_->size) return last_;
        Region *found = store_->find(address);
        if (found != nullptr) last_ = found;
        return found;
    }
    // Reads a whole range now, e.g. while the target is stopped. False when part of it is gone.
    bool load(u64 start, u64 end);
    // `size` bytes from each address, one after the other, zeros where they cannot be read. Blocks
    // that are not here stay away: for a few bytes of each of very many pages.
    void gather(const u64 *addresses, u64 count, u64 size, u8 *out);

    std::vector<Region> &regions() { return store_->regions(); }
    // The region of an address, null for none. Nothing is remembered: several threads may ask.
    const Region *region_of(u64 address) const { return store_->region_of(address); }
    // One block of a region without keeping a copy of it: where it lies, in the copy or in `buffer`
    // of kBlockBytes; null when nothing was ever written there. Several threads may ask.
    const u8 *glance(const Region &region, u64 block, u8 *buffer) {
        return store_->glance(region, block, buffer);
    }
    // The walk is over: blocks that were read ahead of it, and not used, are given back.
    void drop_ahead() { store_->drop_ahead(); }
    u64 bytes_read() const { return store_->bytes_read(); }
    u64 bytes_unreadable() const { return store_->bytes_unreadable(); }
    u64 bytes_left_out() const { return store_->bytes_left_out(); }

private:
    static constexpr u64 kPartBytes = 1 << 20, kMaxText = 512;

    explicit MemoryImage(std::shared_ptr<MemoryStore> store)
        : store_(std::move(store)), last_(&nothing_), before_last_(&nothing_) {}
    // False where nothing was ever written.
    bool ensure(Region &region, u64 offset, u64 size) {
        const u64 last = (offset + (size ? size - 1 : 0)) >> kBlockShift;
        bool any = false;
        for (u64 block = offset >> kBlockShift; block <= last; ++block) {
            const std::atomic_ref<Block> state(region.state[block]);
            any |= state.load(std::memory_order_acquire) == Block::kUsed ||
                   store_->use_block(region, block);
        }
        return any;
    }

    std::shared_ptr<MemoryStore> store_;
    Region nothing_;  // what they point at before the first hits
    Region *last_, *before_last_;
};

}  // namespace heapgraph
