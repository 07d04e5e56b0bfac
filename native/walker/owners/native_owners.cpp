#include "walker/owners/native_owners.hpp"

#include <bit>
#include <map>
#include <tuple>

#include "walker/chunks/free_chunks.hpp"
#include "walker/edges/doubts.hpp"
#include "walker/edges/object_words.hpp"
#include "walker/owners/attribution.hpp"
#include "walker/owners/conflicts.hpp"

namespace heapgraph {
namespace {

// Bytes of tables: of a chunk its use, size, bits, marks, length of edges and tree, and where many
// are shared, number, label and place in the order. Edges come to that.
constexpr u64 kBytesOfChunk = 24;
constexpr u64 kMostEntries = 1 << 26;
constexpr u64 kMostSources = 1 << 30;

// Bytes of ranges that are in memory.
class Resident {
public:
    Resident(const hg_range *ranges, u64 count) : ranges_(ranges, ranges + count) {
        before_.reserve(count);
        u64 sum = 0;
        for (const AddressRange &range : ranges_) {
            before_.push_back(sum);
            sum += range.end - range.start;
        }
    }
    // Most ranges lie within the one that the last one was in.
    u64 between(u64 start, u64 end) {
        if (start >= last_.start && end <= last_.end) return end - start;
        const auto behind = first_behind(ranges_, start);
        if (behind != ranges_.end()) last_ = *behind;
        return upto(end) - upto(start);
    }

private:
    u64 upto(u64 address) const {
        const auto behind =
            std::upper_bound(ranges_.begin(), ranges_.end(), address,
                             [](u64 wanted, const AddressRange &it) { return wanted < it.start; });
        if (behind == ranges_.begin()) return 0;
        const u64 row = static_cast<u64>(behind - ranges_.begin()) - 1;
        return before_[row] + std::min(address, ranges_[row].end) - ranges_[row].start;
    }

    std::vector<AddressRange> ranges_;
    std::vector<u64> before_;
    AddressRange last_{0, 0};
};

// Words elsewhere that lead to chunks. Their sources are numbered behind the objects.
class WeakWords {
public:
    WeakWords(MemoryImage &image, const ChunkMap &chunks, u32 first)
        : reader_(image), chunks_(chunks), first_(first) {}

    std::vector<Entry> scan(const hg_range *ranges, u64 count, AddressRange without) {
        std::vector<Entry> found;
        for (const hg_range *range = ranges; range != ranges + count; ++range) {
            if (range->start < without.end && without.start < range->end) {
                scan({range->start, without.start}, found);
                scan({without.end, range->end}, found);
            } else {
                scan(*range, found);
            }
        }
        return found;
    }
    u64 address(u32 source) const { return addresses_[source - first_]; }
    u64 count() const { return addresses_.size(); }

private:
    void scan(AddressRange range, std::vector<Entry> &found) {
        for (u64 at = (range.start + 7) & ~u64{7}; at + 8 <= range.end;) {
            const Window window = reader_.at(at, range.end);
            if (window.end <= at) return;
            for (; window.data != nullptr && at + 8 <= window.end; at += 8) {
                const Pointer pointer = chunks_.find(window.word(at));
                if (pointer.chunk >= chunks_.first_small() || pointer.aim == Aim::kNothing ||
                    chunks_.use(pointer.chunk) != ChunkUse::kNative ||
                    addresses_.size() >= kMostEntries)
                    continue;
                found.push_back(
                    {first_ + static_cast<u32>(addresses_.size()), make_target(pointer)});
                addresses_.push_back(at);
            }
            at = window.end;
        }
    }

    WindowReader reader_;
    const ChunkMap &chunks_;
    u32 first_;
    std::vector<u64> addresses_;
};

u64 most_chunks(const hg_native_places &places) {
    return std::min<u64>(kMaxChunks - 1, places.most_bytes / kBytesOfChunk);
}

bool add_chunks(ChunkMap &chunks, MemoryImage &image, const hg_native_places &places,
                const HeapRecords &heaps) {
    WindowReader reader(image);
    const u64 most = most_chunks(places);
    const hg_range *heap = places.heaps, *heaps_end = heap + places.heap_count;
    const hg_range *chunk = places.chunks, *chunks_end = chunk + places.chunk_count;
    while (heap != heaps_end || chunk != chunks_end) {
        if (chunk == chunks_end || (heap != heaps_end && heap->start < chunk->start)) {
            const HeapRecord *known = heaps.find(*heap);
            if (known != nullptr ? !chunks.add_heap(*known, most)
                                 : !chunks.add_heap(reader, *heap, most))
                return false;
            ++heap;
        } else {
            chunks.add_mapped(*chunk++);
        }
    }
    chunks.finish(image);
    return chunks.count() <= most && chunks.add_slabs(image, places, most);
}

// Adds up the chunks of the same label, level and grade.
class Sums {
public:
    Sums(const ChunkMap &chunks, const hg_native_places &places)
        : chunks_(chunks), resident_(places.resident, places.resident_count) {}

    void add(u32 chunk, u64 header, u32 label, u8 kind, u8 grade) {
        const u64 size = chunks_.size(chunk);
        if (kind == HG_NATIVE_LOST) label = static_cast<u32>(std::bit_width(size - 1));
        if (kind == HG_NATIVE_UNOWNED) label = chunks_.slabs().source_of(chunk);
        const Key key{kind, label, grade};
        if (row_ == nullptr || key != last_) row_ = &rows_[last_ = key];
        row_->kind = kind;
        row_->grade = grade;
        const bool is_small = chunk >= chunks_.first_small();  // pages of such are in memory
        const u64 bytes = is_small ? size : resident_.between(header, header + size);
        if (is_small) small_bytes_ += bytes;
        row_->bytes += bytes;
        ++row_->blocks;
    }
    // owner_of: an object's id, or the address of a word.
    template <typename OwnerOf>
    void finish(const OwnerSets &sets, OwnerOf owner_of, NativeRows &out) {
        for (auto &[key, row] : rows_) {
            if (row.kind == HG_NATIVE_LOST) {
                row.first = u64{1} << key.label;
            } else if (row.kind == HG_NATIVE_UNOWNED) {
                row.first = key.label;
            } else {
                row.first = out.owners.size();
                for (const u32 source : sets.members(key.label))
                    out.owners.push_back(owner_of(source));
                row.count = out.owners.size() - row.first;
            }
            out.rows.push_back(row);
        }
        out.small_bytes = small_bytes_;
    }

private:
    struct Key {
        u8 kind;
        u32 label;
        u8 grade;
        auto operator<=>(const Key &) const = default;
    };

    const ChunkMap &chunks_;
    Resident resident_;
    u64 small_bytes_ = 0;
    std::map<Key, hg_native_row> rows_;
    Key last_{};  // of this row: neighbours are often the same owner's
    hg_native_row *row_ = nullptr;
};

// What is known of an object that stands beside a block.
class Beside {
public:
    Beside(Walker &walker, const ObjectWords &words, const std::vector<Entry> &entries)
        : walker_(walker), words_(words), entries_(entries) {}

    // Keys of a registry are borrowed: all references that the object counts are elsewhere.
    Bond bond(u64 object, u32 chunk) {
        const u32 id = walker_.object_id(object);
        if (id >= walker_.columns().type.size()) return Bond::kNone;
        if (leads_to(id, chunk)) return Bond::kLeads;
        return words_.has_words(id) && is_borrowed(id) ? Bond::kBorrowed : Bond::kNone;
    }
    // What a table keeps for two or more objects that it does not keep themselves is theirs.
    std::vector<Entry> owned(std::vector<Kept> kept) const {
        std::vector<Entry> found;
        const auto before = [](const Kept &one, const Kept &other) {
            return std::tie(one.table, one.object) < std::tie(other.table, other.object);
        };
        std::sort(kept.begin(), kept.end(), before);
        for (u64 first = 0, end; first < kept.size(); first = end) {
            for (end = first; end < kept.size() && kept[end].table == kept[first].table;) ++end;
            if (kept[first].object == kept[end - 1].object) continue;
            for (u64 i = first; i < end; ++i) {
                const u32 id = walker_.object_id(kept[i].object);
                found.push_back({id, make_target({kept[i].chunk, Aim::kStart})});
            }
        }
        return found;
    }

private:
    bool leads_to(u32 id, u32 chunk) const {
        const auto below = [](const Entry &entry, u32 wanted) { return entry.source < wanted; };
        auto entry = std::lower_bound(entries_.begin(), entries_.end(), id, below);
        for (; entry != entries_.end() && entry->source == id; ++entry) {
            if (chunk_of(entry->target) == chunk) return true;
        }
        return false;
    }
    bool is_borrowed(u32 id) {
        if (counted_.empty()) count();
        return counted_[id] != kMany && walker_.columns().refcount[id] <= counted_[id];
    }
    void count() {
        const Columns &columns = walker_.columns();
        counted_.resize(columns.type.size());
        for (u64 i = 0; i < columns.target.size(); ++i) {
            const u32 target = columns.target[i];
            if (columns.edge_flags[i] & kCounted && target < counted_.size() &&
                counted_[target] != kMany)
                ++counted_[target];
        }
    }
    static constexpr u8 kMany = 255;

    Walker &walker_;
    const ObjectWords &words_;
    const std::vector<Entry> &entries_;
    std::vector<u8> counted_;  // references found of each object; made when it is asked for
};

u8 kind_of(u8 level, u32 label, const OwnerSets &sets) {
    if (level == kLost) return HG_NATIVE_LOST;
    if (level == kLibraryLevel || level == kLibraryStrayLevel) return HG_NATIVE_LIBRARY;
    if (level == kStackLevel) return HG_NATIVE_STACK;
    return sets.is_set(label) || label == OwnerSets::kMany ? HG_NATIVE_SHARED : HG_NATIVE_OBJECT;
}

// Bytes that objects need in pools, with their small buffers: those of larger ones lie elsewhere.
u64 pool_bytes_of_objects(const Columns &columns) {
    constexpr u64 kLargest = 512, kStep = 16, kHead = 64;
    u64 sum = 0;
    const auto *shallow = columns.shallow.data();
    for (u64 i = 0; i < columns.type.size(); ++i) {
        const u64 size = (u64{shallow[i]} + kStep - 1) / kStep * kStep;
        sum += size <= kLargest ? size : kHead;
    }
    return sum;
}

// To tell small blocks of C code from buffers takes a look at every list, dict and instance: a
// tenth of a dump of a large heap, in which there is mostly next to nothing of them.
bool are_pools_explained(const Columns &columns, u64 pool_bytes) {
    constexpr u64 kOtherShare = 8;
    return pool_bytes != 0 &&
           pool_bytes_of_objects(columns) + pool_bytes / kOtherShare >= pool_bytes;
}

// Whether an object of a type that waits in a free list may have its type at that byte of a block.
bool is_free_at(const TypeInfo &type, const Layout &layout, u64 at, u64 size) {
    constexpr u64 kStep = 16;
    const u64 head = (type.is_gc ? kGcHead : 0) + static_cast<u64>(type.preheader);
    const u64 least = head + static_cast<u64>(std::max(type.basicsize, i64{0}));
    // Long texts and numbers are given back; tuples wait in a list for each length.
    const bool is_fixed = !type.is_gc || (type.itemsize == 0 && !type.is_python_class);
    return at == head + static_cast<u64>(layout.type) && least <= size &&
           (!is_fixed || size < least + kStep);
}

AddressRange find_arena(MemoryImage &image, const hg_native_places &places) {
    for (u64 i = 0; i < places.library_count; ++i) {
        if (const u64 arena = find_main_arena(image, places.libraries[i]))
            return {arena, arena + kArenaBytes};
    }
    return {0, 0};
}

}  // namespace

NativeRows find_native_owners(Walker &walker, const hg_native_places &places, HeapRecords &heaps) {
    NativeRows result;
    MemoryImage &image = walker.image();
    image.drop_ahead();
    ChunkMap chunks;
    result.is_left_out = !add_chunks(chunks, image, places, heaps);
    heaps.clear();
    result.chunks = chunks.count();
    const u64 objects = walker.columns().type.size();
    if (result.is_left_out || objects >= kMostSources) return result;
    const AddressRange arena = find_arena(image, places);
    free_fastbins(image, chunks, arena.start);
    free_thread_caches(image, chunks);
    mark_compiler_blocks(image, chunks);
    ObjectWords words(walker, chunks);
    const auto is_type = [&](u64 object, u64 at, u64 size) {
        const TypeInfo *type = walker.types().find(object);
        return type != nullptr && is_free_at(*type, walker.reader().layout(), at, size);
    };
    const bool has_small = !are_pools_explained(walker.columns(), places.pool_bytes);
    if (has_small)
        chunks.small_blocks().add_pools(image, is_type, places.pools, places.block_sizes,
                                        places.pool_count, places.pool_size);
    words.mark(has_small);
    result.is_left_out = !chunks.number_small(most_chunks(places));
    if (result.is_left_out) return result;
    result.chunks = chunks.count();

    const u64 left = places.most_bytes - chunks.count() * kBytesOfChunk;
    const u64 most_edges = std::min<u64>(left, UINT32_MAX / 2);
    std::vector<Entry> entries = words.entries(kMostEntries);
    Beside beside(walker, words, entries);
    const auto bond_of = [&](u64 object, u32 chunk) { return beside.bond(object, chunk); };
    ChunkEdges edges = scan_chunks(image, chunks, most_edges, words.handles(), bond_of);
    if (!edges.is_whole) {
        result.is_left_out = true;
        return result;
    }
    result.edges = edges.count;
    mark_doubts(chunks, edges);
    const std::vector<Entry> owned = beside.owned(std::move(edges.kept));
    words.add_handles(std::move(edges.handles), entries);
    words.add_ints(entries);
    entries.insert(entries.end(), owned.begin(), owned.end());
    WeakWords weak(image, chunks, static_cast<u32>(objects));
    const std::vector<Entry> libraries = weak.scan(places.libraries, places.library_count, arena);
    const std::vector<Entry> stacks = weak.scan(places.stacks, places.stack_count, {0, 0});
    OwnerSets sets(static_cast<u32>(objects + weak.count()));
    Reached reached = settle_conflicts(image, chunks, &words, entries, libraries, stacks, edges);
    const Owners owners(edges, std::move(reached), sets);
    std::vector<bool> is_direct(chunks.count());
    for (const Entry &entry : entries) {
        const u32 chunk = chunk_of(entry.target);
        if (counts(entry.target, owners.level(chunk))) is_direct[chunk] = true;
    }

    Sums sums(chunks, places);
    chunks.each([&](u32 chunk, u64 header) {
        if (chunks.use(chunk) != ChunkUse::kNative) return;
        const u8 level = owners.level(chunk);
        const u32 label = owners.label(chunk);
        u8 kind = kind_of(level, label, sets);
        // Blocks that wait in an allocator's caches look as if they were in use: that nothing leads
        // to them, or words of its own do, says nothing of them.
        if (chunks.is_of_slab(chunk) && (level == kLost || level >= kLibraryLevel))
            kind = HG_NATIVE_UNOWNED;
        // CPython has small blocks of its own that lead from nowhere: they are not lost.
        if (chunk >= chunks.first_small() && kind == HG_NATIVE_LOST) return;
        const u8 grade = level >= kDoubtfulLevel ? 3 : is_direct[chunk] ? 1 : 2;
        sums.add(chunk, header, label, kind, grade);
    });
    const auto owner_of = [&](u32 source) {
        return source < objects ? u64{source} : weak.address(source);
    };
    sums.finish(sets, owner_of, result);
    return result;
}

}  // namespace heapgraph
