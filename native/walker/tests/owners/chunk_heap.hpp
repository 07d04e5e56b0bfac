// Heaps of chunks laid by hand, and what leads to them.
#pragma once

#include <optional>
#include <set>

#include "../arena.hpp"
#include "../walked_heap.hpp"
#include "walker/chunks/free_chunks.hpp"
#include "walker/edges/doubts.hpp"
#include "walker/owners/attribution.hpp"
#include "walker/owners/conflicts.hpp"

namespace heapgraph::test {

constexpr u64 kInUse = 1;

using Sources = std::vector<u32>;

// Chunks one behind the other, and what leads to them. Addresses are those of usable bytes.
class ChunkHeap {
public:
    explicit ChunkHeap(u64 pages) : arena(pages) {}

    // Usable bytes are 8 less than a multiple of 16, as malloc gives them.
    u64 chunk(u64 usable = 40) {
        const u64 size = (usable + 8 + 15) / 16 * 16, address = arena.allocate(size);
        put_word(address + 8, size | kInUse);
        return address + kChunkHeader;
    }
    static u64 usable_end(u64 block) {
        return block - kChunkHeader + (get_word(block - 8) & ~u64{7}) + 8;
    }
    // Says in the header behind a chunk that it is free.
    static void release(u64 block) {
        const u64 next = usable_end(block) - 8;
        put_word(next, next - (block - kChunkHeader));
        put_word(next + 8, get_word(next + 8) & ~kInUse);
    }
    // The rest is the top.
    void map() {
        const u64 top = arena.allocate(16);
        put_word(top + 8, (arena.end() - top) | kInUse);
        const AddressRange range{arena.start(), arena.end()};
        image = MemoryImage::open(own_memory(), &range, 1);
        CHECK(image != nullptr);
        WindowReader reader(*image);
        CHECK(chunks.add_heap(reader, range, kMaxChunks));
        chunks.finish(*image);
    }
    u32 number(u64 block) const { return chunks.headed(block - kChunkHeader); }
    void lead(u32 source, u64 address) {
        objects.push_back({source, make_target(chunks.find(address))});
    }
    void lead_weakly(u32 source, u64 address) {
        libraries.push_back({source, make_target(chunks.find(address))});
    }
    void settle() {
        const auto bond_of = [&](u64 object, u32 chunk) {
            const auto has = [&](const auto &each) {
                return each.first == object && chunks.find(each.second).chunk == chunk;
            };
            if (std::any_of(having.begin(), having.end(), has)) return Bond::kLeads;
            return std::count(borrowed.begin(), borrowed.end(), object) != 0 ? Bond::kBorrowed
                                                                             : Bond::kNone;
        };
        ChunkEdges edges = scan_chunks(*image, chunks, 1 << 24, handles, bond_of);
        handled = edges.handles;
        kept = edges.kept;
        CHECK(edges.is_whole);
        mark_doubts(chunks, edges);
        Reached reached =
            settle_conflicts(*image, chunks, nullptr, objects, libraries, stacks, edges);
        settled.emplace(edges, std::move(reached), sets);
        check_owners(edges);
    }
    // Each chunk has all the sources that lead to it, found out in the plainest way.
    void check_owners(const EdgeBytes &edges) const {
        std::vector<std::set<u32>> wanted(chunks.count());
        const auto enter = [&](const std::vector<Entry> &entries, auto counts_at) {
            for (const Entry &each : entries) {
                const u32 chunk = chunk_of(each.target);
                if (counts_at(each.target, settled->level(chunk)))
                    wanted[chunk].insert(each.source);
            }
        };
        enter(objects, [](Target target, u8 level) { return counts(target, level); });
        enter(libraries, [](Target, u8 level) { return level == kLibraryLevel; });
        enter(stacks, [](Target, u8 level) { return level == kStackLevel; });
        std::vector<u32> waiting;
        for (u32 chunk = 0; chunk < chunks.count(); ++chunk) waiting.push_back(chunk);
        while (!waiting.empty()) {
            const u32 chunk = waiting.back();
            waiting.pop_back();
            edges.each(chunk, [&](Target target, u32) {
                const u32 next = chunk_of(target);
                if (!counts(settled->level(chunk), settled->level(next), target)) return;
                const u64 before = wanted[next].size();
                wanted[next].insert(wanted[chunk].begin(), wanted[chunk].end());
                if (wanted[next].size() != before) waiting.push_back(next);
            });
        }
        for (u32 chunk = 0; chunk < chunks.count(); ++chunk) {
            const Sources members = sets.members(settled->label(chunk));
            CHECK(members == Sources(wanted[chunk].begin(), wanted[chunk].end()));
        }
    }
    // Says that an object begins at a block.
    void set_object(u64 block) {
        CHECK(image->view(block, 16));
        const Region &region = *image->region_of(block);
        const u64 bit = (block - region.start) / 8;
        region.known[bit / 64] |= u64{1} << (bit % 64);
        chunks.set_use(chunks.find(block).chunk, ChunkUse::kObject);
    }
    u8 level(u64 block) const { return settled->level(number(block)); }
    Sources owners(u64 block) const { return sets.members(settled->label(number(block))); }

    Arena arena;
    std::unique_ptr<MemoryImage> image;
    ChunkMap chunks;
    std::vector<Entry> objects, libraries, stacks;
    std::vector<u64> handles;
    std::vector<std::pair<u64, u64>> having;  // objects and the blocks that they lead to
    std::vector<u64> borrowed;                // objects all of whose references are elsewhere
    std::vector<Kept> kept;
    std::vector<std::pair<u64, u32>> handled;
    OwnerSets sets{1000};
    std::optional<Owners> settled;
};

}  // namespace heapgraph::test
