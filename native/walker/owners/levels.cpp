#include "walker/owners/levels.hpp"

namespace heapgraph {
namespace {

// One level after the other. What a chunk leads to is of the chunk's tree, so each edge is looked
// at once for levels and owners. A chunk that another tree leads to is met: settle_shared finds out
// the owners of these few, and of what they lead to.
class Search {
public:
    Search(const ChunkEdges &edges, Reached &reached, const std::vector<Entry> &objects,
           const std::vector<Entry> &libraries)
        : edges_(edges), reached_(reached), is_global_(reached.marks.size()) {
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
            if (class_of(entry.target) <= most) enter(entry, level);
        }
        drain(level, most);
    }
    // Goes on from all that has a level from `first` to `last`, over edges with this aim: the
    // others of that class were looked at when the chunk was reached.
    void go_on(u8 first, u8 last, Aim aim, u8 level, u8 most) {
        const Column<u8> &marks = reached_.marks;
        for (u32 chunk = 0; chunk < marks.size(); ++chunk) {
            if (!(marks[chunk] & mark_of(aim))) continue;
            const u8 here = reached_.level(chunk);
            if (here >= first && here <= last) expand(chunk, level, most);
        }
        drain(level, most);
    }

private:
    bool may_reach(u32 chunk, u8 level) const {
        return reached_.level(chunk) == kLost && !(is_global_[chunk] && level <= kDoubtfulLevel);
    }
    void take(u32 chunk, u8 level, u32 tree) {
        reached_.marks[chunk] |= level;
        reached_.tree.set(chunk, tree);
        ++reached_.trees[tree].chunks;
        waiting_.push_back(chunk);
    }
    // Another tree, of this number, leads to a chunk.
    void meet(u32 chunk, u32 tree) {
        if (!reached_.tree.has_several(chunk)) reached_.met.push_back(chunk);
        reached_.tree.add(chunk, tree);
    }
    void enter(const Entry &entry, u8 level) {
        std::vector<Tree> &trees = reached_.trees;
        const u32 chunk = chunk_of(entry.target), label = OwnerSets::label_of(entry.source);
        if (may_reach(chunk, level)) {
            trees.push_back({chunk, label, 0});
            take(chunk, level, static_cast<u32>(trees.size() - 1));
        } else if (reached_.level(chunk) == level) {
            const Tree &here = trees[reached_.tree_of(chunk)];
            if (here.root == chunk && here.label == label) return;
            if (trees.back().root != kNoChunk || trees.back().label != label)
                trees.push_back({kNoChunk, label, 0});
            meet(chunk, static_cast<u32>(trees.size() - 1));
        }
    }
    void expand(u32 chunk, u8 level, u8 most) {
        const u32 tree = reached_.tree_of(chunk);
        // What a chunk that others lead to leads to is looked at again with all of them, but from
        // the root of a tree.
        const bool is_shared = reached_.tree.has_several(chunk) && !reached_.is_root(chunk);
        edges_.each(chunk, [&](Target target, u32) {
            if (class_of(target) > most) return;
            const u32 next = chunk_of(target);
            if (may_reach(next, level)) return take(next, level, tree);
            const u32 other = reached_.tree_of(next);
            if (other == tree) return;
            if (!is_shared && reached_.level(next) == level) meet(next, tree);
            if (level <= kDoubtfulLevel) cross(tree, other, next);
        });
    }
    // A chunk of one tree leads to one of another.
    void cross(u32 tree, u32 other, u32 chunk) {
        const u8 level = reached_.level(chunk);
        if (level == kLost || level > kDoubtfulLevel) return;
        const Tree &from = reached_.trees[tree], &to = reached_.trees[other];
        if (from.label != to.label)
            reached_.crossings.add(from.label, to.label, chunk, to.root == chunk);
    }
    void drain(u8 level, u8 most) {
        while (!waiting_.empty()) {
            const u32 chunk = waiting_.back();
            waiting_.pop_back();
            expand(chunk, level, most);
        }
    }

    const ChunkEdges &edges_;
    Reached &reached_;
    std::vector<bool> is_global_;  // a variable leads to its start, and no object does so itself
    std::vector<u32> waiting_;
};

}  // namespace

// What libraries surely lead to is theirs before what objects may lead to; the rest, where no
// object leads at all. Stacks, with all that was left behind there, come last.
Reached reach_chunks(ChunkEdges &edges, const std::vector<Entry> &objects,
                     const std::vector<Entry> &libraries, const std::vector<Entry> &stacks) {
    const u64 chunks = edges.marks.size();
    Reached reached(chunks, std::move(edges.marks));
    Search search(edges, reached, objects, libraries);
    search.add(objects, kDirectLevel, kDirectLevel);
    search.add(objects, kInsideLevel, kInsideLevel);
    search.go_on(kDirectLevel, kDirectLevel, Aim::kInside, kInsideLevel, kInsideLevel);
    search.add(libraries, kLibraryLevel, kInsideLevel);
    search.add(objects, kDoubtfulLevel, kDoubtfulLevel);
    search.go_on(kDirectLevel, kInsideLevel, Aim::kDoubtful, kDoubtfulLevel, kDoubtfulLevel);
    search.add(libraries, kLibraryLevel, kDoubtfulLevel);
    search.go_on(kLibraryLevel, kLibraryLevel, Aim::kDoubtful, kLibraryLevel, kDoubtfulLevel);
    if (edges.has_strays) {
        search.go_on(kDirectLevel, kDoubtfulLevel, Aim::kNothing, kStrayLevel, kStrayLevel);
        search.go_on(kLibraryLevel, kLibraryLevel, Aim::kNothing, kLibraryStrayLevel, kStrayLevel);
    }
    search.add(stacks, kStackLevel, kStrayLevel);
    return reached;
}

}  // namespace heapgraph
