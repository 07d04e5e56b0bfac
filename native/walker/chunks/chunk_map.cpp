#include "walker/chunks/chunk_map.hpp"

#include "walker/image/processor.hpp"

namespace heapgraph {
namespace {

constexpr u64 kFlags = 7, kPrevInUse = 1, kMapped = 2;  // of the word with the size
constexpr u64 kLargestFence = 32;  // what an abandoned top leaves at the end of its heap
constexpr u32 kNoSpan = UINT32_MAX;
constexpr u64 kMaxWords = HeapRecord::kMaxWords;

}  // namespace

// A chunk is free when its successor says so, and the last one (top) always is.
bool ChunkMap::add_heap(WindowReader &reader, AddressRange heap, u64 most) {
    Span span{heap.start, heap.end, words_.size(), static_cast<u32>(count()), false, nullptr};
    u64 at = heap.start;
    Window window;
    while (at + kChunkHeader <= heap.end) {
        if (at + kChunkHeader > window.end || window.data == nullptr)
            window = reader.at(at, heap.end);
        if (window.data == nullptr || window.end - at < kChunkHeader) break;
        const u64 word = window.word(at + 8), size = word & ~kFlags;
        if (size < kChunkHeader || size % kChunkStep != 0 || word & kMapped || size > heap.end - at)
            break;  // the fence at the end of an old heap, or damage
        if (at != heap.start && !(word & kPrevInUse))
            set_use(static_cast<u32>(count() - 1), ChunkUse::kFree);
        const u64 bit = (at - span.start) / kChunkStep, words = span.first_word + bit / 64 + 1;
        if (count() >= most || words > kMaxWords) return false;
        if (words > words_.size()) words_.resize(words);
        words_[span.first_word + bit / 64].bits |= u64{1} << (bit % 64);
        uses_.push_back(static_cast<u8>(ChunkUse::kNative));
        sizes_.push_back(size / kChunkStep);
        at += size;
    }
    span.end = at;
    end_heap(span, heap);
    return true;
}

bool ChunkMap::add_heap(const HeapRecord &heap, u64 most) {
    const u64 added = heap.sizes.size(), words = heap.is_begin.size();
    const Span span{heap.heap.start,           heap.next, words_.size(),
                    static_cast<u32>(count()), false,     nullptr};
    if (count() + added > most || words_.size() + words > kMaxWords) return false;
    words_.resize(span.first_word + words);
    for (u64 word = 0; word < words; ++word)
        words_[span.first_word + word].bits = heap.is_begin[word];
    for (u64 row = 0; row < added; ++row) {
        uses_.push_back(static_cast<u8>(heap.is_free[row] ? ChunkUse::kFree : ChunkUse::kNative));
        sizes_.push_back(heap.sizes[row]);
    }
    end_heap(span, heap.heap);
    return true;
}

// What is behind the last chunk that makes sense belongs to nobody.
void ChunkMap::end_heap(Span span, AddressRange heap) {
    if (count() == span.first_chunk) return;
    words_.resize(span.first_word + words_of(span.end - span.start));
    if (heap.end - span.end <= kLargestFence)
        set_use(static_cast<u32>(count() - 1), ChunkUse::kFree);
    spans_.push_back(span);
}

void ChunkMap::add_mapped(AddressRange chunk) {
    if (chunk.end - chunk.start < 2 * kChunkHeader) return;
    spans_.push_back({chunk.start, chunk.end, 0, static_cast<u32>(count()), true, nullptr});
    uses_.push_back(static_cast<u8>(ChunkUse::kNative));
    sizes_.push_back((chunk.end - chunk.start) / kChunkStep);
}

void ChunkMap::finish(const MemoryImage &image) {
    for (Span &span : spans_) {
        span.region = image.region_of(span.start);
        widen(span.start, span.end);
    }
    for (const Span &span : spans_) {
        u32 before = span.first_chunk;
        const u64 words = span.is_mapped ? 0 : words_of(span.end - span.start);
        for (u64 word = span.first_word; word < span.first_word + words; ++word) {
            words_[word].before = before;
            before += static_cast<u32>(__builtin_popcountll(words_[word].bits));
        }
    }
    parts_.clear();
    parts_.resize(kAddressLimit >> kTopShift);
    for (u32 i = static_cast<u32>(spans_.size()); i-- > 0;) {  // the first one of a part wins
        for (u64 part = spans_[i].start >> kPartShift; part <= (spans_[i].end - 1) >> kPartShift;
             ++part) {
            auto &table = parts_[part / kParts];
            if (!table) {
                table.reset(new u32[kParts]);
                std::fill_n(table.get(), kParts, kNoSpan);
            }
            table[part % kParts] = i;
        }
    }
}

const ChunkMap::Span *ChunkMap::span_of(u64 address) const {
    if (address >= kAddressLimit || parts_.empty()) return nullptr;
    const auto &table = parts_[address >> kTopShift];
    if (!table) return nullptr;
    u64 i = table[(address >> kPartShift) % kParts];
    if (i == kNoSpan) return nullptr;
    for (; i < spans_.size() && spans_[i].start <= address; ++i) {
        if (address < spans_[i].end) return &spans_[i];
    }
    return nullptr;
}

Pointer ChunkMap::find_anywhere(u64 address) const {
    const Span *span = span_of(address - 9);  // of a byte that comes before the address
    if (span == nullptr || address < span->start + kChunkHeader) return find_block(address);
    if (span->is_mapped)
        return {span->first_chunk,
                address == span->start + kChunkHeader ? Aim::kStart : Aim::kInside};
    return find_in(*span, address);
}

// A pointer may be to the first byte behind the memory, and one more behind a heap's last header.
void ChunkMap::widen(u64 start, u64 end) {
    if (highest_ == 0) lowest_ = start;
    lowest_ = std::min(lowest_, start);
    highest_ = std::min(std::max(highest_, end + kChunkHeader), kAddressLimit);
}

bool ChunkMap::add_slabs(const MemoryImage &image, const hg_native_places &places, u64 most) {
    const u64 first = count();
    if (!slabs_.add(image, places.slabs, places.slab_count, places.slab_words,
                    places.slab_word_count, first, most))
        return false;
    first_slab_ = static_cast<u32>(first);
    for (const AddressRange &run : slabs_.runs()) widen(run.start, run.end);
    slabs_.each([&](u32, u64, u64 size) {
        uses_.push_back(static_cast<u8>(ChunkUse::kNative));
        sizes_.push_back(size / kChunkStep);
    });
    return true;
}

bool ChunkMap::number_small(u64 most) {
    const u64 first = count();
    if (first + small_.count() > most) return false;
    small_.number(first);
    for (const AddressRange &pools : small_.pools()) widen(pools.start, pools.end);
    small_.each([&](u64, u64 size) {
        uses_.push_back(static_cast<u8>(ChunkUse::kNative));
        sizes_.push_back(size / kChunkStep);
    });
    first_small_ = static_cast<u32>(first);
    return true;
}

u32 ChunkMap::headed(u64 address) const {
    const Span *span = span_of(address);
    if (span == nullptr) {
        SlabBlock found;
        const bool is_start =
            slabs_.find(address + kChunkHeader, found) == SlabBlocks::Found::kUsed &&
            found.start == address + kChunkHeader;
        return is_start ? found.number : kNoChunk;
    }
    if (address % kChunkStep != 0) return kNoChunk;
    if (span->is_mapped) return address == span->start ? span->first_chunk : kNoChunk;
    if (!begins(*span, address)) return kNoChunk;
    return rank(*span, (address - span->start) / kChunkStep);
}

// In a heap, the bits are gone through backwards for some KiB, then its word is looked for by
// number.
u64 ChunkMap::start_of(u64 address) const {
    constexpr u64 kMostWords = 8;
    const Span *span = may_lead(address) ? span_of(address - 9) : nullptr;
    if (span != nullptr && address >= span->start + kChunkHeader) {
        if (span->is_mapped) return span->start + kChunkHeader;
        const u64 bit = (address - 9 - span->start) / kChunkStep;
        const Word *words = words_.data() + span->first_word;
        u64 word = bit / 64, bits = words[word].bits & (~u64{0} >> (63 - bit % 64));
        for (u64 left = kMostWords; bits == 0 && word != 0 && left != 0; --left)
            bits = words[--word].bits;
        if (bits == 0 && word != 0) {
            const u32 before = words[word].before;  // chunks that begin in front of this word
            const Word *found = std::partition_point(
                words, words + word, [&](const Word &it) { return it.before < before; });
            word = static_cast<u64>(found - words) - 1;
            bits = words[word].bits;
        }
        const u64 last = 63 - static_cast<u64>(__builtin_clzll(bits | 1));
        return span->start + (word * 64 + last) * kChunkStep + kChunkHeader;
    }
    SlabBlock found;
    if (slabs_.find(address, found) == SlabBlocks::Found::kUsed) return found.start;
    return first_small_ == kNoChunk ? 0 : small_.find(address).start;
}

}  // namespace heapgraph
