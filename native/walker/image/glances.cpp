// Reading memory without keeping it, from several threads: for what is looked at once.
#include <sys/mman.h>

#include "walker/image/memory_store.hpp"
#include "walker/image/processor.hpp"

namespace heapgraph {

const Region *MemoryStore::region_of(u64 address) const {
    const auto behind =
        std::upper_bound(regions_.begin(), regions_.end(), address,
                         [](u64 wanted, const Region &it) { return wanted < it.start; });
    if (behind == regions_.begin()) return nullptr;
    const Region &region = *(behind - 1);
    return address - region.start < region.size && region.copy != nullptr ? &region : nullptr;
}

// What lies beside a block in the same huge page is here as well: so runs of all that is not used.
void MemoryStore::drop_ahead() {
    const auto hold = [](Block &block) {  // the thread that reads ahead leaves it alone
        const std::atomic_ref<Block> state(block);
        Block ahead = Block::kAhead, unread = Block::kUnread;
        return state.compare_exchange_strong(ahead, Block::kArriving) ||
               state.compare_exchange_strong(unread, Block::kArriving);
    };
    for (Region &region : regions_) {
        if (region.copy == nullptr || !region.mapped.empty()) continue;
        const u64 blocks = (region.size + kBlockBytes - 1) >> kBlockShift;
        for (u64 block = 0, first = 0; block <= blocks; ++block) {
            if (block < blocks && hold(region.state[block])) continue;
            const u64 begin = first << kBlockShift,
                      end = std::min(region.size, block << kBlockShift);
            if (first < block) madvise(region.copy + begin, end - begin, MADV_DONTNEED);
            for (; first < block; ++first) {
                const std::atomic_ref<Block> state(region.state[first]);
                state.store(Block::kUnread, std::memory_order_release);
                state.notify_all();
            }
            first = block + 1;
        }
    }
}

const u8 *MemoryStore::glance(const Region &region, u64 block, u8 *buffer) {
    const Block state = std::atomic_ref<Block>(region.state[block]).load(std::memory_order_acquire);
    if (state == Block::kUsed || state == Block::kAhead)
        return region.copy + (block << kBlockShift);
    if (state == Block::kEmpty) return nullptr;
    const u64 begin = block << kBlockShift, end = std::min(region.size, begin + kBlockBytes);
    if (!knows_filled_) {
        glance_range(region, begin, end, buffer);
        return buffer;
    }
    u64 done = begin;
    for (auto it = first_behind(filled_, region.start + begin);
         it != filled_.end() && it->start < region.start + end; ++it) {
        const u64 from = std::max(it->start, region.start + begin) - region.start,
                  to = std::min(it->end, region.start + end) - region.start;
        std::memset(buffer + (done - begin), 0, from - done);
        glance_range(region, from, to, buffer + (from - begin));
        done = to;
    }
    if (done == begin) return nullptr;
    std::memset(buffer + (done - begin), 0, end - done);
    return buffer;
}

// What is mapped is read where it is, the rest from its file; a hole reads as zeros.
void MemoryStore::glance_range(const Region &region, u64 begin, u64 end, u8 *to) {
    auto mapped = first_behind(region.mapped, begin);
    for (u64 at = begin; at < end;) {
        u64 stop = end;
        if (mapped != region.mapped.end()) {
            const bool is_mapped = mapped->start <= at;
            stop = std::min(end, is_mapped ? mapped->end : mapped->start);
            if (is_mapped) {
                std::memcpy(to + (at - begin), region.copy + at, stop - at);
                at = stop;
                ++mapped;
                continue;
            }
        }
        const u64 got = copy_in(to + (at - begin), region.start + at, stop - at);
        bytes_read_ += got;
        at += got;
        if (at >= stop) continue;
        const u64 next = std::min(stop, (at / kPage + 1) * kPage);
        std::memset(to + (at - begin), 0, next - at);
        at = next;
    }
}

}  // namespace heapgraph
