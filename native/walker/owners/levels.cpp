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

// The best level at which an edge counts.
u8 class_of(Target target) {
    const Aim aim = aim_of(target);
    return aim == Aim::kNothing ? kStrayLevel : static_cast<u8>(aim);
}

class Search {
public:
    Search(const ChunkEdges &edges, u64 chunks, const std::vector<Entry> &objects,
           const std::vector<Entry> &libraries)
        : edges_(edges), chunks_(chunks), is_global_(chunks) {
        levels_.resize(chunks);
        const auto mark = [this](const std::vector<Entry> &entries, bool is_global) {
            for (const Entry &entry : entries) {
                if (aim_of(entry.target) == Aim::kStart)
                    is_global_[chunk_of(entry.target)] = is_global;
            }
        };
        mark(libraries, true);
        mark(objects, false);
    }

    // What entries lead to, and edges from there, gets this level; only what a pointer of this
    // class or a better one leads to.
    void add(const std::vector<Entry> &entries, u8 level, u8 most) {
        for (const Entry &entry : entries) {
            if (class_of(entry.target) <= most) reach(chunk_of(entry.target), level);
        }
        drain(level, most);
    }
    // Goes on from all that has a level from `first` to `last`.
    void go_on(u8 first, u8 last, u8 level, u8 most) {
        for (u32 chunk = 0; chunk < chunks_; ++chunk) {
            if (levels_[chunk] >= first && levels_[chunk] <= last) expand(chunk, level, most);
        }
        drain(level, most);
    }
    Column<u8> take() { return std::move(levels_); }

private:
    void reach(u32 chunk, u8 level) {
        if (levels_[chunk] != kLost || (is_global_[chunk] && level <= kDoubtfulLevel)) return;
        levels_[chunk] = level;
        waiting_.push_back(chunk);
    }
    void expand(u32 chunk, u8 level, u8 most) {
        for (u32 at = edges_.offsets[chunk]; at < edges_.offsets[chunk + 1];) {
            const Target target = next_edge(edges_.bytes, chunk, at);
            if (class_of(target) <= most) reach(chunk_of(target), level);
        }
    }
    void drain(u8 level, u8 most) {
        while (!waiting_.empty()) {
            const u32 chunk = waiting_.back();
            waiting_.pop_back();
            expand(chunk, level, most);
        }
    }

    const ChunkEdges &edges_;
    u64 chunks_;
    std::vector<bool> is_global_;  // a variable leads to its start, and no object does so itself
    Column<u8> levels_;
    std::vector<u32> waiting_;
};

// What libraries surely lead to is theirs before what objects may lead to; the rest, where no
// object leads at all. Stacks, with all that was left behind there, come last.
Column<u8> search_levels(Search &&search, const std::vector<Entry> &objects,
                         const std::vector<Entry> &libraries, const std::vector<Entry> &stacks,
                         bool has_strays) {
    search.add(objects, kDirectLevel, kDirectLevel);
    search.add(objects, kInsideLevel, kInsideLevel);
    search.go_on(kDirectLevel, kDirectLevel, kInsideLevel, kInsideLevel);
    search.add(libraries, kLibraryLevel, kInsideLevel);
    search.add(objects, kDoubtfulLevel, kDoubtfulLevel);
    search.go_on(kDirectLevel, kInsideLevel, kDoubtfulLevel, kDoubtfulLevel);
    search.add(libraries, kLibraryLevel, kDoubtfulLevel);
    search.go_on(kLibraryLevel, kLibraryLevel, kLibraryLevel, kDoubtfulLevel);
    if (has_strays) {
        search.go_on(kDirectLevel, kDoubtfulLevel, kStrayLevel, kStrayLevel);
        search.go_on(kLibraryLevel, kLibraryLevel, kLibraryStrayLevel, kStrayLevel);
    }
    search.add(stacks, kStackLevel, kStrayLevel);
    return search.take();
}

// Libraries and stacks have only what they lead to themselves.
bool counts(const Column<u8> &levels, u32 source, Target target) {
    const u8 from = levels[source], to = levels[chunk_of(target)];
    if (to == kLibraryLevel || to == kStackLevel) return from == to && class_of(target) <= to;
    if (from == kLibraryLevel && to == kStrayLevel) return false;
    return class_of(target) <= to && from <= to;
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
    Search search(edges, chunks.count(), objects, libraries);
    Levels levels{search_levels(std::move(search), objects, libraries, stacks, edges.has_strays)};
    u32 kept = 0;
    for (u32 source = 0; source < chunks.count(); ++source) {
        const u32 begin = edges.offsets[source], end = edges.offsets[source + 1];
        edges.offsets[source] = kept;
        if (levels.of[source] == kLost) continue;
        for (u32 at = begin; at < end;) {
            u32 place = at;
            const Target target = next_edge(edges.bytes, source, at);
            if (!counts(levels.of, source, target)) continue;
            while (place < at) edges.bytes[kept++] = edges.bytes[place++];
        }
    }
    edges.offsets[chunks.count()] = kept;
    edges.bytes.resize(kept);
    edges.bytes.give_back();
    std::erase_if(objects, [&](const Entry &each) {
        const u8 level = levels.of[chunk_of(each.target)];
        return level > kDoubtfulLevel || class_of(each.target) > level;
    });
    std::erase_if(libraries, [&](const Entry &each) {
        return levels.of[chunk_of(each.target)] != kLibraryLevel;
    });
    std::erase_if(
        stacks, [&](const Entry &each) { return levels.of[chunk_of(each.target)] != kStackLevel; });
    return levels;
}

}  // namespace heapgraph
