#include "walker/chunks/slab_blocks.hpp"

#include <algorithm>

namespace heapgraph {
namespace {

constexpr u64 kMostOfSlab = 1 << 16;  // blocks

}  // namespace

bool SlabBlocks::add(const MemoryImage &image, const hg_slab *slabs, u64 count, const u64 *words,
                     u64 word_count, u64 first, u64 most) {
    u64 number = first, word = 0, behind = 0;
    for (const hg_slab *given = slabs; given != slabs + count; ++given) {
        const u64 taken = (u64{given->count} + 63) / 64;
        if (taken > word_count - word) break;
        const u64 *bits = words + word;
        word += taken;
        const Region *region = image.region_of(given->start);
        if (region == nullptr || given->count == 0 || given->count > kMostOfSlab ||
            (given->size != kSmallest && given->size % 16 != 0) || given->size == 0 ||
            given->start % kSmallest != 0 || given->start < behind)
            continue;
        const u64 left = region->start + region->size - given->start;
        if (given->size > left / given->count) continue;
        const Slab slab{given->start, given->size, words_.size(), given->count, given->source};
        behind = slab.end();
        for (u64 i = 0; i < taken; ++i) {
            const u64 last = std::min<u64>(64, given->count - i * 64);
            const u64 used = bits[i] & (~u64{0} >> (64 - last));
            words_.push_back({used, static_cast<u32>(number)});
            number += static_cast<u64>(__builtin_popcountll(used));
        }
        if (number > most) return false;
        if (!runs_.empty() && runs_.back().end == slab.start && slab.start != region->start)
            runs_.back().end = behind;
        else
            runs_.push_back({slab.start, behind});
        slabs_.push_back(slab);
    }
    count_ = number - first;
    note_places();
    return true;
}

void SlabBlocks::note_places() {
    if (slabs_.empty()) return;
    top_.resize(kAddresses >> kTopShift);
    for (u32 i = static_cast<u32>(slabs_.size()); i-- > 0;) {  // the first one of a part wins
        const u64 last = slabs_[i].end() - 1;
        for (u64 part = slabs_[i].start >> kPartShift; part <= last >> kPartShift; ++part) {
            auto &table = top_[part / kPartsOfTop];
            if (!table) {
                table.reset(new u32[kPartsOfTop]);
                std::fill_n(table.get(), kPartsOfTop, UINT32_MAX);
            }
            table[part % kPartsOfTop] = i;
        }
    }
}

bool SlabBlocks::take(const Slab &slab, u64 index, SlabBlock &block) const {
    const Word &word = words_[slab.first_word + index / 64];
    const u64 bit = index % 64;
    if (!(word.bits >> bit & 1)) return false;
    const u64 below = word.bits & ((u64{1} << bit) - 1);
    block.number = word.before + static_cast<u32>(__builtin_popcountll(below));
    block.start = slab.start + index * slab.size;
    return true;
}

SlabBlocks::Found SlabBlocks::find_in(u64 address, SlabBlock &block) const {
    const u32 first = top_[address >> kTopShift][(address >> kPartShift) % kPartsOfTop];
    if (first == UINT32_MAX) return Found::kNothing;
    // Slabs of a part, one behind the other: of those that begin up to here, the last one.
    u64 low = first, high = first + 1, step = 1;
    for (; high < slabs_.size() && slabs_[high].start <= address; step *= 2) {
        low = high;
        high = std::min<u64>(slabs_.size(), high + step);
    }
    while (high - low > 1) {
        const u64 middle = low + (high - low) / 2;
        (slabs_[middle].start <= address ? low : high) = middle;
    }
    const Slab &slab = slabs_[low];
    if (address < slab.start || address > slab.end()) return Found::kNothing;
    if (address == slab.end()) {
        if (slab.count != 1) return Found::kNothing;
        return take(slab, 0, block) ? Found::kUsed : Found::kFree;
    }
    return take(slab, (address - slab.start) / slab.size, block) ? Found::kUsed : Found::kFree;
}

u64 SlabBlocks::first_slab(u64 address) const {
    const auto behind =
        std::upper_bound(slabs_.begin(), slabs_.end(), address,
                         [](u64 wanted, const Slab &slab) { return wanted < slab.end(); });
    return static_cast<u64>(behind - slabs_.begin());
}

u32 SlabBlocks::source_of(u32 number) const {
    const auto behind =
        std::upper_bound(slabs_.begin(), slabs_.end(), number, [&](u32 wanted, const Slab &slab) {
            return wanted < words_[slab.first_word].before;
        });
    return behind == slabs_.begin() ? 0 : (behind - 1)->source;
}

}  // namespace heapgraph
