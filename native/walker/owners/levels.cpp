#include "walker/owners/levels.hpp"

namespace heapgraph {
namespace {

constexpr u32 kMostCompared = 64;  // edges of the other chunk of a pair

bool points_at(const ChunkEdges &edges, u32 source, u32 chunk) {
    u32 at = edges.offsets[source];
    for (u32 seen = 0; at < edges.offsets[source + 1] && seen < kMostCompared; ++seen) {
        if (chunk_of(next_edge(edges.bytes, source, at)) == chunk) return true;
    }
    return false;
}

class Search {
public:
    Search(const ChunkEdges &edges, u64 chunks) : edges_(edges), chunks_(chunks) {
        levels_.resize(chunks);
    }

    // Goes on from what is reached already, now also over edges of this class.
    void raise(const std::vector<Entry> &entries, u8 level) {
        for (const Entry &entry : entries) {
            if (static_cast<u8>(aim_of(entry.target)) <= level)
                reach(chunk_of(entry.target), level);
        }
        for (u32 chunk = 0; chunk < chunks_; ++chunk) {
            if (levels_[chunk] != 0 && levels_[chunk] < level) expand(chunk, level);
        }
        drain(level);
    }
    // Only from entries: what objects reach has been followed to its end.
    void add(const std::vector<Entry> &entries, u8 level) {
        for (const Entry &entry : entries) reach(chunk_of(entry.target), level);
        drain(level);
    }
    Column<u8> take() { return std::move(levels_); }

private:
    void reach(u32 chunk, u8 level) {
        if (levels_[chunk] != 0) return;
        levels_[chunk] = level;
        waiting_.push_back(chunk);
    }
    void expand(u32 chunk, u8 level) {
        for (u32 at = edges_.offsets[chunk]; at < edges_.offsets[chunk + 1];) {
            const Target target = next_edge(edges_.bytes, chunk, at);
            if (static_cast<u8>(aim_of(target)) <= level) reach(chunk_of(target), level);
        }
    }
    void drain(u8 level) {
        while (!waiting_.empty()) {
            const u32 chunk = waiting_.back();
            waiting_.pop_back();
            expand(chunk, level);
        }
    }

    const ChunkEdges &edges_;
    u64 chunks_;
    Column<u8> levels_;
    std::vector<u32> waiting_;
};

bool counts(const Column<u8> &levels, Target target) {
    return static_cast<u8>(aim_of(target)) <= levels[chunk_of(target)];
}

}  // namespace

void doubt_mutual(const ChunkMap &chunks, ChunkEdges &edges) {
    for (u32 source = 0; source < chunks.count(); ++source) {
        for (u32 at = edges.offsets[source]; at < edges.offsets[source + 1];) {
            const u32 place = at, chunk = chunk_of(next_edge(edges.bytes, source, at));
            if (chunks.size(chunk) == chunks.size(source) && points_at(edges, chunk, source))
                doubt_edge(edges.bytes, place);
        }
    }
}

Levels settle_levels(const ChunkMap &chunks, ChunkEdges &edges, std::vector<Entry> &objects,
                     std::vector<Entry> &libraries, std::vector<Entry> &stacks) {
    Search search(edges, chunks.count());
    for (u8 level = 1; level <= kDoubtfulLevel; ++level) search.raise(objects, level);
    search.add(libraries, kLibraryLevel);
    search.add(stacks, kStackLevel);
    Levels levels{search.take()};
    u32 kept = 0;
    for (u32 source = 0; source < chunks.count(); ++source) {
        const u32 begin = edges.offsets[source], end = edges.offsets[source + 1];
        edges.offsets[source] = kept;
        if (levels.of[source] == kLost) continue;
        for (u32 at = begin; at < end;) {
            u32 place = at;
            const Target target = next_edge(edges.bytes, source, at);
            if (!counts(levels.of, target) || levels.of[source] > levels.of[chunk_of(target)])
                continue;
            while (place < at) edges.bytes[kept++] = edges.bytes[place++];
        }
    }
    edges.offsets[chunks.count()] = kept;
    edges.bytes.resize(kept);
    edges.bytes.give_back();
    std::erase_if(objects, [&](const Entry &each) { return !counts(levels.of, each.target); });
    std::erase_if(libraries, [&](const Entry &each) {
        return levels.of[chunk_of(each.target)] != kLibraryLevel;
    });
    std::erase_if(
        stacks, [&](const Entry &each) { return levels.of[chunk_of(each.target)] != kStackLevel; });
    return levels;
}

}  // namespace heapgraph
