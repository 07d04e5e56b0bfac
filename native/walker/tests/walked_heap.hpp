// A walk over a built heap, and what a test asks of its columns.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "heap_builder.hpp"
#include "walker/walk/walker.hpp"

namespace heapgraph::test {

using Ranges = std::vector<std::pair<u64, u64>>;

struct Found {
    EdgeKind kind;
    u32 label;
    u64 target;  // address
    u8 flags;

    bool operator==(const Found &) const = default;
};

// The memory of this process, as a walker reads it.
std::vector<FilePiece> own_memory();

// Shape, order and range of every column; holds for any heap, however damaged.
void check_columns(Walker &walker, u64 mapped_bytes);

class WalkedHeap {
public:
    // Walks all of the heap, from the collector's list and the seeds.
    explicit WalkedHeap(const HeapBuilder &heap, const Objects &seeds = {});
    WalkedHeap(const HeapBuilder &heap, const Ranges &regions, const Objects &heads,
               const Objects &seeds);
    // Within a budget; `filled`: what of the regions holds something.
    WalkedHeap(const HeapBuilder &heap, const Ranges &regions, const Objects &heads,
               const Objects &seeds, const WalkBudget &budget, const Ranges &filled);

    bool has(u64 object) { return walker_.object_id(object) != kNoLabel; }
    u32 id(u64 object);
    std::vector<Found> references(u64 object);
    // The only reference of this kind.
    Found reference(u64 object, EdgeKind kind);
    std::vector<u64> targets(u64 object, EdgeKind kind);
    std::string preview(u64 object);
    std::string name(u32 row) { return walker_.types().names().names().at(row); }
    u64 getsizeof_(u64 object) { return columns().getsizeof_[id(object)]; }
    u64 shallow(u64 object) { return columns().shallow[id(object)]; }
    u16 flags(u64 object) { return columns().flags[id(object)]; }
    const Columns &columns() const { return walker_.columns(); }
    const WalkCounts &counts() const { return walker_.counts(); }
    Walker &walker() { return walker_; }
    // Every object's reference count is what the references found and those held from outside add
    // up to.
    void check_reference_counts();

private:
    void walk(const Ranges &regions, const Objects &heads, const Objects &seeds);

    const HeapBuilder &heap_;
    Walker walker_;
    std::vector<u64> first_;  // per object: its first reference
};

}  // namespace heapgraph::test
