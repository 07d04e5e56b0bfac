// How blocks of the target's memory come here: when they are first read, and in front of that.
#include <unistd.h>

#include <algorithm>
#include <exception>

#include "walker/image/memory_store.hpp"
#include "walker/image/processor.hpp"

namespace heapgraph {
namespace {

constexpr u64 kStop = UINT64_MAX;
constexpr u64 kBlocksAhead = 16;  // 4 MiB: enough to stay in front, little when it was for nothing
constexpr u64 kBlocksBelow = 8;   // two arenas

}  // namespace

// Bytes read: fewer than asked for where a piece ends at a gap, or its file was cut short
// meanwhile. A process is read through its file, never by process_vm_readv: that pins each page,
// and to pin a page that the frozen clone still shares with the target the kernel copies it first
// (since Linux 5.19).
u64 MemoryStore::copy_in(u8 *to, u64 from, u64 size) {
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

bool MemoryStore::use_block(Region &region, u64 block) {
    const std::atomic_ref<Block> state(region.state[block]);
    if (!load_if_absent(region, block)) state.wait(Block::kArriving, std::memory_order_acquire);
    if (state.load(std::memory_order_acquire) == Block::kEmpty) return false;
    const bool is_first = state.exchange(Block::kUsed, std::memory_order_acq_rel) != Block::kUsed;
    if (is_first && !is_used_kept_) {
        const std::lock_guard lock(used_mutex_);
        region.used.push_back(static_cast<u32>(block));
    }
    if (region.is_constant) return true;
    // Only the newest wish counts: a reader that fell behind has nothing to catch up with.
    wanted_.store((static_cast<u64>(&region - regions_.data()) << 32 | block) + 1,
                  std::memory_order_release);
    wanted_.notify_one();
    return true;
}

// True when the block was copied by this call, false when another thread has it or works on it.
bool MemoryStore::load_if_absent(Region &region, u64 block) {
    const std::atomic_ref<Block> state(region.state[block]);
    Block expected = Block::kUnread;
    if (!state.compare_exchange_strong(expected, Block::kArriving, std::memory_order_acquire))
        return false;
    state.store(load_block(region, block) ? Block::kAhead : Block::kEmpty,
                std::memory_order_release);
    state.notify_all();
    return true;
}

void MemoryStore::start_reading_ahead() {
    try {
        reader_ = std::thread([this] { read_ahead(); });
    } catch (const std::exception &) {
        // A limit on threads: the walk then copies every block itself.
    }
}

void MemoryStore::stop_reading_ahead() {
    if (!reader_.joinable()) return;
    wanted_.store(kStop, std::memory_order_release);
    wanted_.notify_one();
    reader_.join();
}

// Only a block in use starts this, never one that was read ahead: a large buffer behind the last
// object of a region is not dragged in. Arenas that the program asked for one after the other lie
// below one another: where what follows is here already, what lies in front is wanted next.
void MemoryStore::read_ahead() {
    u64 served = 0;
    while (served != kStop) {
        wanted_.wait(served, std::memory_order_acquire);
        served = wanted_.load(std::memory_order_acquire);
        if (served == 0 || served == kStop) continue;
        Region &region = regions_[(served - 1) >> 32];
        const u64 block = (served - 1) & UINT32_MAX;
        const u64 behind = ((region.size + kBlockBytes - 1) >> kBlockShift) - 1 - block;
        u64 loaded = 0;
        const auto load = [&](u64 wanted) {
            if (wanted_.load(std::memory_order_relaxed) != served) return false;
            loaded += load_if_absent(region, wanted) ? 1 : 0;
            return loaded < kBlocksAhead;
        };
        bool goes_on = true;
        for (u64 i = 1; i <= std::min(behind, kBlocksAhead) && goes_on; ++i)
            goes_on = load(block + i);
        for (u64 i = 1; i <= std::min(block, kBlocksBelow) && goes_on; ++i)
            goes_on = load(block - i);
    }
}

// False when nothing was ever written there.
bool MemoryStore::load_block(Region &region, u64 block) {
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
bool MemoryStore::load_range(Region &region, u64 begin, u64 end) {
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

bool MemoryStore::copy_if_here(u64 address, u64 size, u8 *to) {
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

u64 MemoryStore::copy_out(u8 *to, u64 from, u64 size) {
    const u64 got = copy_in(to, from, size);
    bytes_read_ += got;
    return got;
}

}  // namespace heapgraph
