#include "walker/image/memory_image.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "walker/image/processor.hpp"

namespace heapgraph {
namespace {

constexpr u32 kNoRegion = UINT32_MAX;
constexpr unsigned kTopShift = 39;
constexpr u64 kLargestOffset = 1ULL << 62;  // in a file, so that nothing added to it overflows
constexpr u64 kHugePage = 2u << 20;
constexpr u64 kStop = UINT64_MAX;
constexpr u64 kMinMapped = 64 << 10;  // a smaller piece is read: mappings are few
constexpr u64 kMaxMapped = 1 << 14;   // of the 65,530 that a process may have (vm.max_map_count)
constexpr u64 kBlocksAhead = 16;  // 4 MiB: enough to stay in front, little when it was for nothing

// Address space without memory behind it: pages come when they are written.
u8 *reserve_bytes(u64 size) {
    void *place = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return place == MAP_FAILED ? nullptr : static_cast<u8 *>(place);
}

u64 bitmap_bytes(const Region &region) { return (region.size / 64 / 8 + 1) * 8; }
u64 rank_bytes(const Region &region) { return (region.size / 512 + 1) * sizeof(u32); }

// Pages of a file that may become shorter must not be mapped: to touch them would end this process.
bool may_map(const FilePiece &piece) {
    const int descriptor = static_cast<int>(piece.descriptor);
    const int seals = fcntl(descriptor, F_GET_SEALS);
    struct stat file;
    return seals >= 0 && seals & F_SEAL_SHRINK && fstat(descriptor, &file) == 0 &&
           piece.offset + piece.in_file <= static_cast<u64>(file.st_size);
}

}  // namespace

std::unique_ptr<MemoryImage> MemoryImage::open(std::vector<FilePiece> pieces,
                                               const AddressRange *regions, u64 count) {
    u64 free_from = 0;
    for (const FilePiece &piece : pieces) {
        if (piece.start < free_from || piece.start >= kAddressLimit ||
            piece.size > kAddressLimit - piece.start || piece.in_file > piece.size ||
            piece.offset > kLargestOffset || piece.descriptor > INT32_MAX) {
            return nullptr;
        }
        free_from = piece.start + piece.size;
    }
    std::unique_ptr<MemoryImage> image(new MemoryImage(std::move(pieces)));
    image->last_ = image->before_last_ = &image->nothing_;
    image->regions_.reserve(count);
    for (const AddressRange *range = regions; range != regions + count; ++range) {
        if (range->end <= range->start || range->end > kAddressLimit) continue;
        if (!image->regions_.empty()) {
            const Region &before = image->regions_.back();
            if (range->start < before.start + before.size) return nullptr;
        }
        Region region;
        region.start = range->start;
        region.size = range->end - range->start;
        image->regions_.push_back(std::move(region));
        if (!image->reserve(image->regions_.back())) return nullptr;
    }
    image->index_regions();
    image->start_reading_ahead();
    return image;
}

void MemoryImage::forget() {
    stop_reading_ahead();
    for (Region &region : regions_) {
        if (region.copy) munmap(region.copy, region.size);
        if (region.state) munmap(region.state, (region.size >> kBlockShift) + 1);
        region.copy = nullptr;
        region.state = nullptr;
    }
}

MemoryImage::~MemoryImage() {
    forget();
    for (Region &region : regions_) {
        if (region.known) munmap(region.known, bitmap_bytes(region));
        if (region.tracked) munmap(region.tracked, bitmap_bytes(region));
        if (region.ranks) munmap(region.ranks, rank_bytes(region));
    }
}

bool MemoryImage::reserve(Region &region) {
    region.copy = reserve_bytes(region.size);
    region.state = reinterpret_cast<Block *>(reserve_bytes((region.size >> kBlockShift) + 1));
    region.known = reinterpret_cast<u64 *>(reserve_bytes(bitmap_bytes(region)));
    region.tracked = reinterpret_cast<u64 *>(reserve_bytes(bitmap_bytes(region)));
    region.ranks = reinterpret_cast<u32 *>(reserve_bytes(rank_bytes(region)));
    if (!region.copy || !region.state || !region.known || !region.tracked || !region.ranks) {
        return false;
    }
    map_pieces(region);
    // Fewer page faults on our side, which cost more than the copying itself.
    if (region.size >= 4 * kHugePage && region.mapped.empty())
        madvise(region.copy, region.size, MADV_HUGEPAGE);
    return true;
}

// Pieces one after the other, in memory and in their file, become one mapping.
void MemoryImage::map_pieces(Region &region) {
    const u64 end = region.start + region.size;
    auto at_start = std::upper_bound(
        pieces_.begin(), pieces_.end(), region.start,
        [](u64 address, const FilePiece &it) { return address < it.start + it.size; });
    for (; at_start != pieces_.end() && at_start->start < end; ++at_start) {
        const FilePiece &piece = *at_start;
        const u64 from = std::max(piece.start, region.start);
        const u64 to = std::min(piece.start + piece.in_file / kPage * kPage, end / kPage * kPage);
        const u64 at = piece.offset + (from - piece.start);
        if (from >= to || to - from < kMinMapped || from % kPage != 0 || at % kPage != 0) continue;
        if (maps_ >= kMaxMapped || !may_map(piece)) continue;
        u8 *place = region.copy + (from - region.start);
        if (mmap(place, to - from, PROT_READ, MAP_SHARED | MAP_FIXED,
                 static_cast<int>(piece.descriptor), static_cast<off_t>(at)) == MAP_FAILED) {
            // The reserved pages may be gone from here.
            mmap(place, to - from, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
            maps_ = kMaxMapped;
            continue;
        }
        ++maps_;
        const bool joins =
            !region.mapped.empty() && region.mapped.back().end == from - region.start;
        if (joins) region.mapped.back().end = to - region.start;
        if (!joins) region.mapped.push_back({from - region.start, to - region.start});
    }
}

void MemoryImage::set_filled(const AddressRange *ranges, u64 count) {
    filled_.clear();
    filled_.reserve(count);
    for (const AddressRange *it = ranges; it != ranges + count; ++it) {
        if (it->end > it->start && (filled_.empty() || filled_.back().end <= it->start))
            filled_.push_back(*it);
    }
    knows_filled_ = true;
    // One page in use must not become a huge one of ours.
    for (const Region &region : regions_) {
        if (region.size < 4 * kHugePage || !region.mapped.empty()) continue;
        u64 bytes = 0;
        for (auto it = first_behind(filled_, region.start);
             it != filled_.end() && it->start < region.start + region.size; ++it) {
            bytes +=
                std::min(it->end, region.start + region.size) - std::max(it->start, region.start);
        }
        if (bytes < region.size / 4 * 3) madvise(region.copy, region.size, MADV_NOHUGEPAGE);
    }
}

// The part that holds something and ends behind the address.
AddressRange MemoryImage::filled_from(u64 address) {
    if (knows_filled_) {
        const auto range = first_behind(filled_, address);
        return range == filled_.end() ? AddressRange{UINT64_MAX, UINT64_MAX} : *range;
    }
    const auto piece = std::upper_bound(
        pieces_.begin(), pieces_.end(), address,
        [](u64 wanted, const FilePiece &it) { return wanted < it.start + it.in_file; });
    return piece == pieces_.end() ? AddressRange{UINT64_MAX, UINT64_MAX}
                                  : AddressRange{piece->start, piece->start + piece->in_file};
}

void MemoryImage::index_regions() {
    chunks_.resize(kAddressLimit >> kTopShift);
    constexpr u64 per_top = 1ULL << (kTopShift - kChunkShift);
    for (u32 i = regions_.size();
         i-- > 0;) {  // backwards, so that the first region of a chunk wins
        const Region &region = regions_[i];
        const u64 last = (region.start + region.size - 1) >> kChunkShift;
        for (u64 chunk = region.start >> kChunkShift; chunk <= last; ++chunk) {
            auto &table = chunks_[chunk / per_top];
            if (!table) {
                table.reset(new u32[per_top]);
                std::fill_n(table.get(), per_top, kNoRegion);
            }
            table[chunk % per_top] = i;
        }
    }
}

Region *MemoryImage::find_slowly(u64 address) {
    if (address >= kAddressLimit) return nullptr;
    const auto &table = chunks_[address >> kTopShift];
    if (!table) return nullptr;
    u64 i = table[(address >> kChunkShift) & ((1ULL << (kTopShift - kChunkShift)) - 1)];
    if (i == kNoRegion) return nullptr;
    for (; i < regions_.size() && regions_[i].start <= address; ++i) {
        if (address - regions_[i].start < regions_[i].size) return last_ = &regions_[i];
    }
    return nullptr;
}

// Bytes read: fewer than asked for where a piece ends at a gap, or its file was cut short
// meanwhile. A process is read through its file, never by process_vm_readv: that pins each page,
// and to pin a page that the frozen clone still shares with the target the kernel copies it first
// (since Linux 5.19).
u64 MemoryImage::copy_in(u8 *to, u64 from, u64 size) {
    u64 done = 0;
    auto piece =
        std::upper_bound(pieces_.begin(), pieces_.end(), from,
                         [](u64 address, const FilePiece &it) { return address < it.start; });
    if (piece == pieces_.begin()) return 0;
    for (--piece; piece != pieces_.end() && done < size; ++piece) {
        const u64 at = from + done - piece->start;
        if (piece->start > from + done || at >= piece->size) break;
        const u64 wanted = std::min(size - done, piece->size - at);
        u64 got = 0;
        if (at < piece->in_file) {
            const u64 stored = std::min(wanted, piece->in_file - at);
            while (got < stored) {
                const ssize_t part =
                    pread(static_cast<int>(piece->descriptor), to + done + got, stored - got,
                          static_cast<off_t>(piece->offset + at + got));
                if (part <= 0) return done + got;
                got += static_cast<u64>(part);
            }
        }
        std::memset(to + done + got, 0, wanted - got);
        done += wanted;
    }
    return done;
}

// The slow half of ensure(): the block is here when this returns, and its successors are on their
// way. False for one where nothing was ever written.
bool MemoryImage::use_block(Region &region, u64 block) {
    const std::atomic_ref<Block> state(region.state[block]);
    if (!load_if_absent(region, block)) state.wait(Block::kArriving, std::memory_order_acquire);
    if (state.load(std::memory_order_acquire) == Block::kEmpty) return false;
    region.used.push_back(static_cast<u32>(block));
    state.store(Block::kUsed, std::memory_order_release);
    // Only the newest wish counts: a reader that fell behind has nothing to catch up with.
    wanted_.store((static_cast<u64>(&region - regions_.data()) << 32 | block) + 1,
                  std::memory_order_relaxed);
    wanted_.notify_one();
    return true;
}

// True when the block was copied by this call, false when another thread has it or works on it.
bool MemoryImage::load_if_absent(Region &region, u64 block) {
    const std::atomic_ref<Block> state(region.state[block]);
    Block expected = Block::kUnread;
    if (!state.compare_exchange_strong(expected, Block::kArriving, std::memory_order_acquire))
        return false;
    state.store(load_block(region, block) ? Block::kAhead : Block::kEmpty,
                std::memory_order_release);
    state.notify_all();
    return true;
}

void MemoryImage::start_reading_ahead() {
    try {
        reader_ = std::thread([this] { read_ahead(); });
    } catch (const std::system_error &) {
        // A limit on threads: the walk then copies every block itself.
    }
}

void MemoryImage::stop_reading_ahead() {
    if (!reader_.joinable()) return;
    wanted_.store(kStop, std::memory_order_relaxed);
    wanted_.notify_one();
    reader_.join();
}

// Only a block in use starts this, never one that was read ahead: a large buffer behind the last
// object of a region is not dragged in.
void MemoryImage::read_ahead() {
    u64 served = 0;
    while (served != kStop) {
        wanted_.wait(served, std::memory_order_relaxed);
        served = wanted_.load(std::memory_order_relaxed);
        if (served == 0 || served == kStop) continue;
        Region &region = regions_[(served - 1) >> 32];
        const u64 first = ((served - 1) & UINT32_MAX) + 1;
        const u64 blocks = (region.size + kBlockBytes - 1) >> kBlockShift;
        for (u64 block = first; block < std::min(blocks, first + kBlocksAhead); ++block) {
            if (wanted_.load(std::memory_order_relaxed) != served) break;
            load_if_absent(region, block);
        }
    }
}

// False when nothing was ever written there.
bool MemoryImage::load_block(Region &region, u64 block) {
    const u64 begin = block << kBlockShift;
    const u64 end = std::min(region.size, begin + kBlockBytes);
    if (!knows_filled_) return load_range(region, begin, end);
    bool any = false;
    for (auto it = first_behind(filled_, region.start + begin); it != filled_.end(); ++it) {
        const u64 from = std::max(it->start, region.start + begin),
                  to = std::min(it->end, region.start + end);
        if (from >= to) break;
        any |= load_range(region, from - region.start, to - region.start);
    }
    return any;
}

// Copies what is not mapped already.
bool MemoryImage::load_range(Region &region, u64 begin, u64 end) {
    auto mapped = first_behind(region.mapped, begin);
    for (u64 at = begin; at < end;) {
        if (mapped != region.mapped.end() && mapped->start <= at) {
            at = std::min(end, (mapped++)->end);
            continue;
        }
        const u64 stop = mapped == region.mapped.end() ? end : std::min(end, mapped->start);
        if (bytes_read_ + (stop - at) > most_bytes_) {
            bytes_left_out_ += stop - at;
            at = stop;
            continue;
        }
        const u64 got = copy_in(region.copy + at, region.start + at, stop - at);
        bytes_read_ += got;
        at += got;
        if (at >= stop) continue;
        // A hole (guard page, MADV_DONTFORK): it reads as zeros, which no check takes for an
        // object.
        const u64 next = std::min(stop, (at / kPage + 1) * kPage);
        bytes_unreadable_ += next - at;
        at = next;
    }
    return true;
}

bool MemoryImage::load(u64 start, u64 end) {
    const u64 holes = bytes_unreadable_;
    for (u64 at = start; at < end;) {
        Region *region = find(at);
        if (region == nullptr || region->copy == nullptr) return false;
        const u64 stop = std::min(end, region->start + region->size);
        ensure(*region, at - region->start, stop - at);
        at = stop;
    }
    return holes == bytes_unreadable_;
}

// True when the bytes were answered for by what is already copied, or by there being no such
// memory.
bool MemoryImage::copy_if_here(u64 address, u64 size, u8 *to) {
    const Region *region = find(address);
    if (region == nullptr || region->copy == nullptr ||
        size > region->size - (address - region->start))
        return true;
    const u64 offset = address - region->start;
    for (u64 block = offset >> kBlockShift; block <= (offset + size - 1) >> kBlockShift; ++block) {
        const Block state =
            std::atomic_ref<Block>(region->state[block]).load(std::memory_order_acquire);
        if (state != Block::kAhead && state != Block::kUsed && state != Block::kEmpty) return false;
    }
    std::memcpy(to, region->copy + offset, size);
    return true;
}

void MemoryImage::gather(const u64 *addresses, u64 count, u64 size, u8 *out) {
    if (size == 0) return;
    for (u64 i = 0; i < count; ++i) {
        u8 *to = out + i * size;
        std::memset(to, 0, size);
        if (copy_if_here(addresses[i], size, to)) continue;
        const u64 got = copy_in(to, addresses[i], size);
        bytes_read_ += got;
        if (got < size) std::memset(to, 0, size);
    }
}

}  // namespace heapgraph
