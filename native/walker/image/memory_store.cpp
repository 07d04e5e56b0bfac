#include "walker/image/memory_store.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "walker/image/processor.hpp"

namespace heapgraph {
namespace {

constexpr u32 kNoRegion = UINT32_MAX;
constexpr unsigned kTopShift = 39;
constexpr u64 kLargestOffset = 1ULL << 62;  // in a file, so that nothing added to it overflows
constexpr u64 kHugePage = 2u << 20;
constexpr u64 kMinMapped = 64 << 10;  // a smaller piece is read: mappings are few
constexpr u64 kMaxMapped = 1 << 14;   // of the 65,530 that a process may have (vm.max_map_count)

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

std::shared_ptr<MemoryStore> MemoryStore::open(std::vector<FilePiece> pieces,
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
    std::shared_ptr<MemoryStore> store(new MemoryStore(std::move(pieces)));
    store->regions_.reserve(count);
    for (const AddressRange *range = regions; range != regions + count; ++range) {
        if (range->end <= range->start || range->end > kAddressLimit) continue;
        if (!store->regions_.empty()) {
            const Region &before = store->regions_.back();
            if (range->start < before.start + before.size) return nullptr;
        }
        Region region;
        region.start = range->start;
        region.size = range->end - range->start;
        store->regions_.push_back(std::move(region));
        if (!store->reserve(store->regions_.back())) return nullptr;
    }
    store->index_regions();
    store->start_reading_ahead();
    return store;
}

void MemoryStore::forget() {
    stop_reading_ahead();
    for (Region &region : regions_) {
        if (region.copy) munmap(region.copy, region.size);
        if (region.state) munmap(region.state, (region.size >> kBlockShift) + 1);
        region.copy = nullptr;
        region.state = nullptr;
    }
}

MemoryStore::~MemoryStore() {
    forget();
    for (Region &region : regions_) {
        if (region.known) munmap(region.known, bitmap_bytes(region));
        if (region.tracked) munmap(region.tracked, bitmap_bytes(region));
        if (region.ranks) munmap(region.ranks, rank_bytes(region));
    }
}

bool MemoryStore::reserve(Region &region) {
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
void MemoryStore::map_pieces(Region &region) {
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

void MemoryStore::set_filled(const AddressRange *ranges, u64 count) {
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

void MemoryStore::set_constant(const AddressRange *ranges, u64 count) {
    const std::vector<AddressRange> sorted(ranges, ranges + count);
    for (Region &region : regions_) {
        const auto range = first_behind(sorted, region.start);
        region.is_constant = range != sorted.end() && range->start <= region.start &&
                             region.start + region.size <= range->end;
    }
}

AddressRange MemoryStore::filled_from(u64 address) const {
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

void MemoryStore::index_regions() {
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

Region *MemoryStore::find(u64 address) {
    if (address >= kAddressLimit) return nullptr;
    const auto &table = chunks_[address >> kTopShift];
    if (!table) return nullptr;
    u64 i = table[(address >> kChunkShift) & ((1ULL << (kTopShift - kChunkShift)) - 1)];
    if (i == kNoRegion) return nullptr;
    for (; i < regions_.size() && regions_[i].start <= address; ++i) {
        if (address - regions_[i].start < regions_[i].size) return &regions_[i];
    }
    return nullptr;
}

}  // namespace heapgraph
