#include "walker/edges/edges.hpp"

#include "walker/edges/parallel.hpp"

namespace heapgraph {
namespace {

// 4 MiB: what they give is joined before there is too much of it.
constexpr u64 kPartsAtOnce = 16;
// A chunk with so many pointers into freed memory or the middle of objects was written by somebody
// else before: its other pointers may be as old, as far as there are such, and so many times the
// mean distance of two around these.
constexpr u64 kBadPointers = 2, kBadShare = 20, kBadAround = 2;
constexpr u64 kStringHead = 16;  // of a std::string: address and length of the text

// An edge beside a pointer to an object.
struct Beside {
    u64 object;
    u32 place, table, chunk;
};

// What one block of memory gave. A chunk that goes on in the next one has edges in both.
struct Part {
    u64 start, end;
    const ChunkMap::Span *span;                // null: small blocks, or those of slabs
    std::vector<std::pair<u32, u32>> degrees;  // chunk, bytes of its edges
    Column<u8> bytes;
    u64 count = 0;
    std::vector<Beside> beside;
    std::vector<std::pair<u64, u32>> handles;
};

class PartScan {
public:
    PartScan(const MemoryImage &image, const ChunkMap &chunks, Part &part, const Window &window,
             const std::vector<u64> &handles, Bits &says_size)
        : image_(image), chunks_(chunks), part_(part), window_(window), handles_(handles),
          says_size_(says_size) {}

    void run() {
        if (part_.span == nullptr) {
            run_small();
            return run_slabs();
        }
        const ChunkMap::Span &span = *part_.span;
        if (!span.is_mapped) return run_heap(span);
        begin(span.first_chunk);
        const u64 first = std::max(window_.start, span.start + kChunkHeader);
        if (first == span.start + kChunkHeader) note_size(first);
        take_all(first, window_.end);
        finish();
    }

private:
    void run_heap(const ChunkMap::Span &span) {
        const u64 end = window_.end - (window_.end - window_.start) % kChunkStep;
        const Pointer before = chunks_.find(window_.start + 1);  // who has the first word here
        if (before.chunk != kNoChunk) begin(before.chunk);
        for (u64 at = window_.start; at < end; at += kChunkStep) {
            const u64 next = chunks_.next_begin(span, at, end);
            if (is_native_) {
                if (!handles_.empty()) take_handles(at, next);
                take_all(at, next);
            }
            if (next == end) break;
            // The first word of a header is the last one of the chunk before, which is seldom
            // asked for: it often holds what somebody else left.
            take_last(next);
            finish();
            begin(chunk_ == kNoChunk ? span.first_chunk : chunk_ + 1);
            note_size(next + kChunkHeader);
            at = next;
        }
        finish();
    }

    // A block that goes on in the next part has its other words there.
    void run_small() {
        const SmallBlocks &small = chunks_.small_blocks();
        small.each_between(window_.start, window_.end, [&](u64 start, u64 size) {
            begin(static_cast<u32>(small.number_of(start)), {start, start + size});
            take_all(std::max(start, window_.start), std::min(start + size, window_.end));
            finish();
        });
    }

    void run_slabs() {
        const SlabBlocks &slabs = chunks_.slabs();
        slabs.each_between(window_.start, window_.end, [&](u32 number, u64 start, u64 size) {
            begin(number, {start, start + size});
            const u64 end = std::min(start + size, window_.end);
            const u64 at = std::max(start, window_.start);
            if (at == start && at + 8 <= end && is_handle(window_.word(at)))
                take_handle(window_.word(at), at);
            take_all(at, end);
            finish();
        });
    }

    // words: what of the window may stand beside a word of the chunk; around those of glibc are
    // headers.
    void begin(u32 chunk) { begin(chunk, {window_.start, window_.end}); }
    void begin(u32 chunk, AddressRange words) {
        chunk_ = chunk;
        words_ = {std::max(words.start, window_.start), std::min(words.end, window_.end)};
        is_native_ = chunks_.use(chunk) == ChunkUse::kNative;
        first_ = part_.bytes.size();
        last_ = kNoTarget;
        pointers_ = bad_ = 0;
        places_.clear();
    }

    // Whether a block begins with the bytes that it was asked for, which follow that word. The
    // chunk may be one step larger than it need be.
    void note_size(u64 at) {
        if (!is_native_ || at + 8 > window_.end) return;
        const u64 word = window_.word(at), size = chunks_.size(chunk_);
        if (word % 8 == 0 && word + kChunkHeader <= size && word + 3 * kChunkHeader > size)
            says_size_.set(chunk_);
    }

    void take_handles(u64 at, u64 end) {
        for (; at < end; at += kChunkStep) {
            if (is_handle(window_.word(at))) take_handle(window_.word(at), at);
        }
    }
    void take_handle(u64 word, u64 at) {
        if (chunks_.headed(at - kChunkHeader) == chunk_ &&
            std::binary_search(handles_.begin(), handles_.end(), word))
            part_.handles.emplace_back(word, chunk_);
    }

    void take_all(u64 at, u64 end) {
        if (!is_native_ || at + 8 > end) return;
        const u8 *word = window_.data + (at - window_.start);
        const AddressRange chunks = chunks_.all();  // most words are no pointers
        for (; at + 8 <= end; at += 8, word += 8) {
            u64 value;
            std::memcpy(&value, word, sizeof value);
            if (value - chunks.start < chunks.end - chunks.start) take_pointer(at, value, false);
        }
    }
    void take_last(u64 at) {
        if (const u64 word = window_.word(at); is_native_ && chunks_.may_lead(word))
            take_pointer(at, word, true);
    }
    void take_pointer(u64 at, u64 word, bool is_last) {
        if (at < text_end_) return;
        if (word == at + kStringHead) return skip_text(at);
        Pointer pointer = find(word);
        if (pointer.chunk == kNoChunk && pointer.aim != Aim::kNothing) {  // a slab has it free
            ++pointers_;
            note_bad(at);
        }
        if (pointer.chunk == kNoChunk || pointer.chunk == chunk_) return;
        ++pointers_;
        const ChunkUse use = chunks_.use(pointer.chunk);
        if (use != ChunkUse::kNative) {
            if (use == ChunkUse::kFree ||
                (use == ChunkUse::kObject && !chunks_.is_object(image_, pointer.chunk, word)))
                note_bad(at);
            return;
        }
        if (pointer.aim == Aim::kNothing) return;
        if (is_last) pointer.aim = Aim::kDoubtful;
        const Target target = make_target(pointer);
        if (target == last_) return;
        const u32 place = static_cast<u32>(part_.bytes.size());
        append_edge(part_.bytes, chunk_, target);
        places_.push_back(at);
        last_ = target;
        ++part_.count;
        if (pointer.aim == Aim::kDoubtful) return;
        if (at >= words_.start + 8) note_beside(window_.word(at - 8), place, pointer.chunk);
        if (at + 16 <= words_.end) note_beside(window_.word(at + 8), place, pointer.chunk);
    }

    // Most pointers lead into the heap that they lie in.
    Pointer find(u64 address) const {
        const ChunkMap::Span *span = part_.span;
        if (span != nullptr && !span->is_mapped && address >= span->start + kChunkHeader &&
            address - 9 < span->end)
            return chunks_.find_in(*span, address);
        return chunks_.find(address);
    }

    // A std::string of libstdc++ with a short text leads to its own 16 bytes, in which the text
    // leaves what was there before.
    void skip_text(u64 at) {
        if (at + kStringHead <= window_.end && window_.word(at + 8) < kStringHead)
            text_end_ = at + 2 * kStringHead;
    }

    void note_beside(u64 word, u32 place, u32 chunk) {
        if (word % 8 != 0 || word == 0 || word >= kAddressLimit) return;
        if (word - near_->start >= near_->size) {
            std::swap(near_, before_near_);
            if (word - near_->start >= near_->size) {
                const Region *region = image_.region_of(word);
                if (region == nullptr) return;
                near_ = region;
            }
        }
        // Objects are in blocks that were read for them: most others need no look at their bits.
        const u64 block = (word - near_->start) >> kBlockShift;
        if (std::atomic_ref<Block>(near_->state[block]).load(std::memory_order_relaxed) !=
            Block::kUsed)
            return;
        const u64 bit = (word - near_->start) / 8;
        if (near_->known[bit / 64] >> (bit % 64) & 1)
            part_.beside.push_back({word, place, chunk_, chunk});
    }

    void note_bad(u64 at) {
        if (bad_++ == 0) bad_places_.start = at;
        bad_places_.end = at + 8;
    }

    void finish() {
        if (!is_native_ || part_.bytes.size() == first_) return;
        if (bad_ >= kBadPointers && bad_ * kBadShare >= pointers_) {
            const u64 around = (bad_places_.end - bad_places_.start) / bad_ * kBadAround;
            u32 at = static_cast<u32>(first_);
            for (const u64 place : places_) {
                if (place + around >= bad_places_.start && place <= bad_places_.end + around)
                    doubt_edge(part_.bytes, at);
                next_edge(part_.bytes, chunk_, at);
            }
        }
        part_.degrees.emplace_back(chunk_, static_cast<u32>(part_.bytes.size() - first_));
        first_ = part_.bytes.size();
    }

    const MemoryImage &image_;
    const ChunkMap &chunks_;
    Part &part_;
    const Window &window_;
    const std::vector<u64> &handles_;
    Bits &says_size_;
    u32 chunk_ = kNoChunk;
    AddressRange words_{0, 0};
    bool is_native_ = false;
    static constexpr Target kNoTarget = UINT32_MAX;
    Target last_ = kNoTarget;
    u64 first_ = 0, pointers_ = 0, bad_ = 0, text_end_ = 0;
    std::vector<u64> places_;        // of the edges of this chunk
    AddressRange bad_places_{0, 0};  // from the first to the last bad pointer
    const Region nothing_;           // what these point at before the first hits
    const Region *near_ = &nothing_, *before_near_ = &nothing_;
};

// Moves what the parts have behind one another.
void join(const std::vector<Part> &parts, const BondOf &bond_of, ChunkEdges &edges) {
    for (const Part &part : parts) {
        for (const auto &[chunk, size] : part.degrees) edges.add_length(chunk, size);
        const u32 first = static_cast<u32>(edges.bytes.size());
        edges.bytes.append(part.bytes.data(), part.bytes.size());
        edges.count += part.count;
        for (const Beside &each : part.beside) {
            const Bond bond = bond_of(each.object, each.chunk);
            if (bond != Bond::kNone) doubt_edge(edges.bytes, first + each.place);
            if (bond == Bond::kBorrowed)
                edges.kept.push_back({each.table, each.chunk, each.object});
        }
        edges.handles.insert(edges.handles.end(), part.handles.begin(), part.handles.end());
    }
}

// Looks through some parts, in parallel.
void look_through(MemoryImage &image, const ChunkMap &chunks, const std::vector<u64> &handles,
                  Bits &says_size, std::vector<Part> &parts) {
    run_in_parallel(parts.size(), [&](Tasks &tasks) {
        WindowReader reader(image);
        for (u64 i; tasks.take(i);) {
            const Window window = reader.at(parts[i].start, parts[i].end);
            if (window.data == nullptr || window.end != parts[i].end) continue;
            PartScan(image, chunks, parts[i], window, handles, says_size).run();
        }
    });
}

}  // namespace

ChunkEdges scan_chunks(MemoryImage &image, const ChunkMap &chunks, u64 most_bytes,
                       const std::vector<u64> &handles, const BondOf &bond_of) {
    ChunkEdges edges;
    edges.start(chunks.count());
    std::vector<Part> parts;
    const auto flush = [&] {
        look_through(image, chunks, handles, edges.says_size, parts);
        join(parts, bond_of, edges);
        parts.clear();
        return edges.bytes.size() < most_bytes;
    };
    const auto add = [&](AddressRange range, const Region *region, const ChunkMap::Span *span) {
        for (u64 at = range.start; region != nullptr && at < range.end && edges.is_whole;) {
            const u64 block = (at - region->start) >> kBlockShift;
            const u64 end = std::min(range.end, region->start + ((block + 1) << kBlockShift));
            parts.push_back({at, end, span, {}, {}, 0, {}, {}});
            at = end;
            if (parts.size() == kPartsAtOnce) edges.is_whole = flush();
        }
    };
    for (const ChunkMap::Span &span : chunks.spans()) {
        if (span.is_mapped && chunks.use(span.first_chunk) != ChunkUse::kNative) continue;
        add({span.start, span.end}, span.region, &span);
    }
    // In the order of their numbers.
    for (const AddressRange &run : chunks.slabs().runs())
        add(run, image.region_of(run.start), nullptr);
    if (chunks.first_small() != kNoChunk) {
        for (const AddressRange &pools : chunks.small_blocks().pools())
            add(pools, image.region_of(pools.start), nullptr);
    }
    if (edges.is_whole) edges.is_whole = flush();
    edges.finish();
    return edges;
}

}  // namespace heapgraph
