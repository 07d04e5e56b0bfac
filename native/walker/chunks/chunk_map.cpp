#include "walker/chunks/chunk_map.hpp"

#include "walker/image/processor.hpp"

namespace heapgraph {
namespace {

constexpr u64 kFlags = 7, kPrevInUse = 1, kMapped = 2;  // of the word with the size
constexpr u64 kLargestFence = 32;  // what an abandoned top leaves at the end of its heap
constexpr u32 kNoSpan = UINT32_MAX;
constexpr u64 kMaxWords = u64{1} << 26;  // of the bits: 64 GiB from the first chunk to the last

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
    // What is behind the last chunk that makes sense belongs to nobody.
    span.end = at;
    if (count() == span.first_chunk) return true;
    words_.resize(span.first_word + words_of(span.end - span.start));
    if (heap.end - at <= kLargestFence) set_use(static_cast<u32>(count() - 1), ChunkUse::kFree);
    spans_.push_back(span);
    return true;
}

void ChunkMap::add_mapped(AddressRange chunk) {
    if (chunk.end - chunk.start < 2 * kChunkHeader) return;
    spans_.push_back({chunk.start, chunk.end, 0, static_cast<u32>(count()), true, nullptr});
    uses_.push_back(static_cast<u8>(ChunkUse::kNative));
    sizes_.push_back((chunk.end - chunk.start) / kChunkStep);
}

void ChunkMap::finish(const MemoryImage &image) {
    for (Span &span : spans_) span.region = image.region_of(span.start);
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

// The usable bytes of a chunk begin behind its header and end with the first word of the next
// header. A pointer right behind them is an end pointer of this chunk; the second word of a header
// is nobody's.
Pointer ChunkMap::find_anywhere(u64 address) const {
    const u64 inside = address - 9;  // the chunk of a byte that comes before the address
    const Span *span = span_of(inside);
    if (span == nullptr || address < span->start + kChunkHeader) return find_block(address);
    if (span->is_mapped)
        return {span->first_chunk,
                address == span->start + kChunkHeader ? Aim::kStart : Aim::kInside};
    const u32 chunk = rank(*span, (inside - span->start) / kChunkStep);
    if (address % kChunkStep != 0) return {chunk, Aim::kInside};
    if (begins(*span, address - kChunkHeader)) return {chunk, Aim::kStart};
    // The address of the next header: what malloc leaves in a block that it had in a list of free
    // ones. It means the next chunk, and nothing where that is free.
    if (address < span->end && begins(*span, address)) {
        const bool is_list = use(chunk + 1) == ChunkUse::kFree;
        return {chunk, is_list ? Aim::kNothing : Aim::kDoubtful};
    }
    return {chunk, Aim::kInside};
}

bool ChunkMap::add_slabs(const MemoryImage &image, const hg_native_places &places, u64 most) {
    const u64 first = count();
    if (!slabs_.add(image, places.slabs, places.slab_count, places.slab_words,
                    places.slab_word_count, first, most))
        return false;
    first_slab_ = static_cast<u32>(first);
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

}  // namespace heapgraph
