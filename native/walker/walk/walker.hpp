// The walk: which objects exist, then one row per object and per reference.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "walker/types/heap_reader.hpp"
#include "walker/walk/columns.hpp"
#include "walker/walk/finder.hpp"
#include "walker/walk/positions.hpp"
#include "walker/walk/traverse.hpp"

namespace heapgraph {

struct FirstPass;

using WalkCounts = hg_walk_counts;

class Walker {
public:
    // threads: 1 or more, for any number of which the answers are the same.
    Walker(std::unique_ptr<MemoryImage> image, const Layout &layout, unsigned threads)
        : image_(std::move(image)), layout_(layout), threads_(threads), types_(*image_, layout_),
          reader_(*image_, layout_, types_), finder_(*image_, reader_, budget_) {}

    TypeTable &types() { return types_; }
    MemoryImage &image() { return *image_; }
    HeapReader &reader() { return reader_; }

    // Limits what follows; what is beyond it is left out and counted.
    void set_budget(const WalkBudget &budget);
    // Pass 0: the collector's lists, the oldest first. Marks what is tracked and learns what a
    // Python class looks like. The first `frozen` are the permanent ones. `in_order`: their order
    // is that of creation.
    void read_gc_lists(const u64 *heads, u64 count, u64 frozen, bool in_order);
    // Pass 1: everything reachable from the tracked objects and these. May be called again with
    // more.
    void discover(const u64 *seeds, u64 count);
    // Words of a struct that are objects (known or not): for the state of interpreters.
    u64 scan_range(u64 start, u64 size, u64 *addresses, u64 *offsets, u64 capacity);
    // Objects in blocks of pools that nothing found so far refers to; see lost.cpp.
    u64 lost_objects(const u64 *pools, const u32 *block_sizes, u64 count, u64 pool_size,
                     u64 *addresses, u64 capacity);
    // Between: objects whose traverse function should be asked. Each is named once; what the
    // functions visit may lead to further ones.
    u64 objects_to_traverse(hg_traverse_job *jobs, u64 capacity);
    // What they visited.
    void add_traversed(const hg_visits &visited);
    // The instrument: every object that has a traverse function, then a comparison of what it
    // visits with what the columns will say (TypeInfo::disagreements).
    u64 collectable_objects(hg_traverse_job *jobs, u64 capacity);
    void compare_traversed(const hg_visits &visited);
    // Pass 2: number the objects in address order and write the columns, all but those of
    // complete().
    void emit(const AddressRange *statics, u64 static_count);
    u32 object_id(u64 address);
    u64 address_of(u32 object_id);
    // Of many; quick where the ids rise.
    void addresses_of(const u32 *ids, u64 count, u64 *addresses);
    // After emit: give the copied memory back, keep the columns.
    void forget_memory() { image_->forget(); }
    // Last: the columns that follow from the others, when their memory is free.
    void complete();
    // Columns that nobody reads any more: bits of hg_column.
    void forget_columns(u32 which);

    const Columns &columns() const { return columns_; }
    const WalkCounts &counts() const { return counts_; }
    const std::atomic<u64> &progress() const { return progress_; }

    // All objects in the order of their addresses, which is that of their ids; after emit.
    template <typename Visit>
    void each_object(Visit visit) {
        for (const NumberedBlock &at : blocks_)
            each_object_in(image_->regions()[at.region], at.block, visit);
    }

private:
    void read_gc_list(u64 head);
    void make_ages();
    u64 first_of_startup();
    bool position(u64 address, Position &out) { return find_position(*image_, address, out); }
    void find_listed();
    bool find_listed_together();
    void forget_found();
    void read_block_owners();
    void note_found();
    bool is_sound(u64 address, const Position &at);
    bool is_lost_object(u64 address, u64 block_size, u64 count, u64 type_address);
    void learn_python_class();
    u64 number_objects();
    bool emit_by(const FirstPass &first, unsigned threads);
    void read_references(u64 object, const TypeInfo &type);

    std::unique_ptr<MemoryImage> image_;
    Layout layout_;
    unsigned threads_;
    TypeTable types_;
    HeapReader reader_;
    WalkBudget budget_;
    u32 names_of_rules_ = 0;       // their rows come first
    std::vector<u64> gc_objects_;  // in the order of the lists; until the ages are made
    bool is_in_order_ = false;
    std::vector<u64> listed_classes_;
    Finder finder_;
    EdgeList edges_;                 // of the instrument
    std::vector<u64> block_owners_;  // objects whose type says that they own blocks of memory
    Traversed traversed_;
    u64 listed_region_ = 0, listed_block_ = 0,
        listed_word_ = 0;  // where collectable_objects goes on
    std::vector<NumberedBlock> blocks_;
    Columns columns_;
    WalkCounts counts_{};
    std::atomic<u64> progress_{0};
    bool gc_objects_added_ = false;
};

}  // namespace heapgraph
