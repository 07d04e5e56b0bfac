// The target's memory as the walker sees it: regions, copied block by block when first read.
//
// Every read goes through view(): it checks that the whole range lies in one region and hands out a
// bounds-checked View. A wild address reads as "unmapped", never as a crash of ours.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
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

// Memory of a process that has a hole in its address space every so often costs us what it costs
// the process: neither is read what was never written, nor has it pages here (see set_filled).
//
// Walking thread: one. A second thread of its own copies the blocks behind the one in use, since
// copying (and the kernel's clearing of our pages) takes as long as the walk itself.
class MemoryImage {
public:
    // pieces: where the memory is, sorted and disjoint; what none covers reads as a hole. A process
    // is one piece of /proc/PID/mem. The caller keeps the files open until forget(). regions:
    // sorted, disjoint. Nothing is read yet. Pieces of a sealed file of memory are mapped, not
    // read: they are no second copy. Returns null for pieces or regions that overlap, or when
    // address space for the copy cannot be reserved.
    static std::unique_ptr<MemoryImage> open(std::vector<FilePiece> pieces,
                                             const AddressRange *regions, u64 count);
    ~MemoryImage();
    // Gives all copies back; every address reads as unmapped afterwards. The sets of objects stay.
    void forget();

    MemoryImage(const MemoryImage &) = delete;
    MemoryImage &operator=(const MemoryImage &) = delete;

    // What holds something: sorted, disjoint. The rest reads as zeros without being read. To be
    // called before anything is; without it, all that a piece has may hold something.
    void set_filled(const AddressRange *ranges, u64 count);
    // No more than this is copied; what is left out reads as zeros.
    void set_limit(u64 bytes) { most_bytes_ = bytes; }

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
    u64 u64_at(u64 address) { return view(address, 8).u64_at(0); }
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
            const AddressRange filled = filled_from(address + at);
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
        return find_slowly(address);
    }
    // Reads a whole range now, e.g. while the target is stopped. False when part of it is gone.
    bool load(u64 start, u64 end);
    // `size` bytes from each address, one after the other, zeros where they cannot be read. Blocks
    // that are not here stay away: for a few bytes of each of very many pages.
    void gather(const u64 *addresses, u64 count, u64 size, u8 *out);

    std::vector<Region> &regions() { return regions_; }
    // The region of an address, null for none. Nothing is remembered: several threads may ask.
    const Region *region_of(u64 address) const;
    // One block of a region without keeping a copy of it: where it lies, in the copy or in `buffer`
    // of kBlockBytes; null when nothing was ever written there. Several threads may ask.
    const u8 *glance(const Region &region, u64 block, u8 *buffer);
    u64 bytes_read() const { return bytes_read_.load(std::memory_order_relaxed); }
    u64 bytes_unreadable() const { return bytes_unreadable_.load(std::memory_order_relaxed); }
    u64 bytes_left_out() const { return bytes_left_out_.load(std::memory_order_relaxed); }

private:
    static constexpr u64 kPartBytes = 1 << 20;
    static constexpr unsigned kChunkShift = 21;  // one index entry per 2 MiB of address space

    explicit MemoryImage(std::vector<FilePiece> pieces) : pieces_(std::move(pieces)) {}
    bool reserve(Region &region);
    void index_regions();
    Region *find_slowly(u64 address);
    // False where nothing was ever written.
    bool ensure(Region &region, u64 offset, u64 size) {
        const u64 last = (offset + (size ? size - 1 : 0)) >> kBlockShift;
        bool any = false;
        for (u64 block = offset >> kBlockShift; block <= last; ++block) {
            const std::atomic_ref<Block> state(region.state[block]);
            any |=
                state.load(std::memory_order_acquire) == Block::kUsed || use_block(region, block);
        }
        return any;
    }
    bool use_block(Region &region, u64 block);
    bool load_range(Region &region, u64 begin, u64 end);
    void map_pieces(Region &region);
    AddressRange filled_from(u64 address);
    void glance_range(const Region &region, u64 begin, u64 end, u8 *to);
    bool load_if_absent(Region &region, u64 block);
    bool load_block(Region &region, u64 block);
    void start_reading_ahead();
    void stop_reading_ahead();
    void read_ahead();
    u64 copy_in(u8 *to, u64 from, u64 size);
    bool copy_if_here(u64 address, u64 size, u8 *to);

    std::vector<FilePiece> pieces_;
    std::vector<Region> regions_;
    Region *last_ = nullptr, *before_last_ = nullptr;
    Region nothing_;  // what they point at before the first hits
    std::vector<std::unique_ptr<u32[]>>
        chunks_;  // [address >> 39][chunk in it] = first region, or none
    std::atomic<u64> bytes_read_{0};
    std::atomic<u64> bytes_unreadable_{0};
    std::atomic<u64> bytes_left_out_{0};
    u64 most_bytes_ = UINT64_MAX;
    std::vector<AddressRange> filled_;  // see set_filled
    bool knows_filled_ = false;
    u64 maps_ = 0;
    std::atomic<u64> wanted_{0};  // region << 32 | block that was used last, plus one; kStop
    std::thread reader_;
};

}  // namespace heapgraph
