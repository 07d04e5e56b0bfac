// Chunks that objects lead to which have little else in common.
#pragma once

#include "walker/owners/levels.hpp"

namespace heapgraph {

// By an object, and not by a stray pointer only.
inline bool is_of_objects(const Reached &reached, u32 chunk) {
    const u8 level = reached.level(chunk);
    return level != kLost && level <= kDoubtfulLevel;
}

class Contested {
public:
    Contested(const ChunkMap &chunks, const Reached &reached, const ChunkEdges &edges)
        : chunks_(chunks), reached_(reached), edges_(edges), bits_(reached.marks.size()) {}

    // Pointers of one object's chunks to those of another one that are few beside what both have,
    // or which lead somewhere into the chunks of a larger one and never back: those of a node to
    // its document are many, and those of a statement lead to what the connection itself has.
    // What they lead to is contested, with all that is behind it. Of objects with many chunks that
    // lead to those of others or are led to, so is, without that, what large blocks lead to by a
    // pointer or two, and what the objects lead to inside: those may be words that were left
    // behind, and nearly all that the objects have may hang on one. False where there is nothing
    // such.
    bool find(const std::vector<Entry> &objects);
    bool get(u32 chunk) const { return bits_.get(chunk); }
    // Whether an edge that may count leads to one.
    bool is_led_to(Target target) const {
        return aim_of(target) != Aim::kNothing && bits_.get(chunk_of(target));
    }

private:
    void spread(std::vector<u32> waiting);
    bool take_inside(const std::vector<Entry> &objects, const std::vector<u32> &labels);
    bool take_sparse(const std::vector<u32> &labels);

    const ChunkMap &chunks_;
    const Reached &reached_;
    const ChunkEdges &edges_;
    Bits bits_;
};

}  // namespace heapgraph
