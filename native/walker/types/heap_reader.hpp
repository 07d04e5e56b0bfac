// Reads one object: what it refers to, how large it is, what it looks like. The readers of types
// (builtins/, stdlib/, packages/) are functions on it.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "walker/blocks/owned_blocks.hpp"
#include "walker/image/memory_image.hpp"
#include "walker/types/edges.hpp"
#include "walker/types/layout.hpp"
#include "walker/types/refcounts.hpp"
#include "walker/types/type_table.hpp"
#include "walker/walk/budget.hpp"

namespace heapgraph {

constexpr u64 kMaxItems =
    1ull << 40;  // of one container; more is damage, and its bytes would overflow

constexpr u64 round_up(u64 size, u64 step) { return (size + step - 1) / step * step; }

// Memory that a rule says is an object's; none where there is nothing.
struct KnownBuffer {
    u64 start = 0, size = 0;
};

struct Sizes {
    u64 getsizeof = 0;  // what sys.getsizeof says
    u64 shallow = 0;    // bytes asked of the allocators for the object and the buffers it owns
};

// What readers of types learn from some objects and use for others.
struct Learned {
    u64 general_lookup = 0;  // <= 3.10: the dk_lookup of tables that hold other keys than str
    std::unordered_map<u64, std::vector<u64>>
        object_places;  // dtype -> offsets of the references in an element
};

class HeapReader {
public:
    HeapReader(MemoryImage &memory, const Layout &layout, TypeTable &types)
        : memory_(memory), layout_(layout), types_(types), blocks_(*this, memory) {}
    // For the second pass: what the first one has settled stays as it is, and stays there. Several
    // of them may read at once, each by a memory of its own, while the table of types is closed.
    HeapReader(const HeapReader &first, MemoryImage &memory)
        : memory_(memory), layout_(first.layout_), types_(first.types_),
          blocks_(*this, memory, first.blocks_), settled_(&first), budget_(first.budget_),
          table_bytes_(first.table_bytes_) {
        learned_.general_lookup = first.learned_.general_lookup;
    }
    // For another thread of the first pass: tables are claimed where the first one has them.
    static HeapReader beside(HeapReader &first, MemoryImage &memory) {
        return HeapReader(memory, first);
    }
    HeapReader(const HeapReader &) = delete;
    HeapReader &operator=(const HeapReader &) = delete;

    // What the walk asks.

    // Appends every reference of the object, each once; nothing is checked to be an object yet.
    void references(u64 object, const TypeInfo &type, EdgeList &out);
    Sizes sizes(u64 object, const TypeInfo &type);
    // Appends the head of what the object looks like, a line of text; false when this kind of
    // object has no preview.
    bool preview(u64 object, const TypeInfo &type, std::string &out) {
        return type.reader->preview != nullptr && type.reader->preview(*this, object, type, out);
    }
    bool has_gc_head(u64 object, const TypeInfo &type);
    i64 least_bytes(u64 object, const TypeInfo &type) {
        return type.reader->least_bytes(*this, object, type);
    }
    bool is_immortal(u64 object) {
        return is_immortal_count(layout_, memory_.u64_at(object + layout_.refcount));
    }
    i64 refcount(u64 object) {
        return count_of(layout_, memory_.u64_at(object + layout_.refcount));
    }
    bool is_interned(u64 object, const TypeInfo &type);
    // Settle which block is whose, when all objects that have blocks are known.
    void share_blocks(std::vector<u64> owners) { blocks_.share(std::move(owners)); }
    // Frames that threads run (up to 3.10 frame objects): they are on no stack that was put aside.
    void set_running_frames(const u64 *frames, u64 count) {
        running_frames_.insert(frames, frames + count);
    }
    // What may be looked through, in this pass and in the next.
    void set_budget(const WalkBudget &budget) { budget_ = budget; }
    void begin_second_pass() { table_bytes_ = 0; }
    bool is_within_budget() const {
        return tables_left_out_ == 0 && table_bytes_ <= budget_.table_bytes;
    }
    // What another thread of this pass has learned and spent.
    void take(const HeapReader &other);
    // As before the first pass.
    void forget_found();
    // Whether tables become the property of who is read. Not while somebody is only looked at, who
    // may be no object.
    void set_claiming(bool claiming) { is_claiming_ = claiming; }
    u64 shared_tables() const {
        return shared_owners_.size();
    }  // objects that claim a table which is another's
    u64 tables_left_out() const { return tables_left_out_; }
    u64 table_bytes() const { return table_bytes_; }  // looked through in this pass

    // What readers of types are made of.

    MemoryImage &memory() { return memory_; }
    const Layout &layout() const { return layout_; }
    TypeTable &types() { return types_; }
    Learned &learned() { return learned_; }
    // The struct of an object as far as its type goes; null where that cannot be read.
    View body(u64 object, const TypeInfo &type) { return memory_.view(object, type.basicsize); }
    u32 name(const std::string &text) { return types_.names().row(text); }
    // What the walker knows of the object's type; null when that is none.
    const TypeInfo *type_of(u64 object) {
        return types_.find(memory_.u64_at(object + layout_.type));
    }
    bool is_heap_type(u64 type) { return type_flags(type) & type_flag::kHeapType; }
    u64 type_flags(u64 type) {
        return memory_.view(type, layout_.tp_size).u64_at(layout_.tp_flags);
    }
    bool is_running(u64 frame) const { return first().running_frames_.count(frame) != 0; }
    // A key table that its class has replaced belongs to the dicts that still use it; one of them
    // stands for all: in the first pass the first that is read, then that with the least address.
    bool stands_for(u64 table, u64 dict);
    KnownBuffer buffer_at(u64 object, const TypeInfo &type, View body, const BufferRule &rule);
    // ob_size of an object without its sign; of an int the number of its digits.
    u64 item_count(View object);
    u64 tuple_length(u64 tuple) { return memory_.u64_at(tuple + layout_.var_size); }
    // Bytes of a C string with its end mark; 0 for none.
    u64 text_bytes(u64 address);
    // The parts of a table of `owner` that hold something, see MemoryImage::each_part; nothing of
    // one that is another's, or that is beyond the budget.
    template <typename Visit>
    void each_part(u64 owner, u64 address, u64 size, u64 step, Visit visit) {
        if (!may_read(owner, address, size)) return;
        memory_.each_part(address, size, step, [&](View part, u64 offset) {
            if (!afford(part.size())) return false;
            visit(part, offset);
            return true;
        });
    }
    // An array of references, each with its place as the label.
    void items_at(u64 owner, u64 address, u64 count, EdgeList &out, u8 flags = kOwned);
    // Two owners of one table are damage, or a way to make us read it a thousand times: false for
    // the second.
    bool may_read(u64 owner, u64 address, u64 size) {
        return size < TableClaims::kMinBytes || may_read_large(owner, address, size);
    }
    // Takes so much from the budget of this pass; false when it is used up.
    bool afford(u64 bytes);

private:
    // Which dict stands for the users of a key table.
    struct TableUsers {
        u64 first;
        u64 least;
    };

    HeapReader(MemoryImage &memory, HeapReader &first)
        : memory_(memory), layout_(first.layout_), types_(first.types_), blocks_(*this, memory),
          claimer_(&first), budget_(first.budget_) {}
    const HeapReader &first() const { return settled_ != nullptr ? *settled_ : *claimer_; }
    bool may_read_large(u64 owner, u64 address, u64 size);
    u64 bytes_behind(u64 object, const TypeInfo &type);
    u64 footprint(u64 object, const TypeInfo &type, View view, u64 getsizeof_bytes);

    MemoryImage &memory_;
    const Layout &layout_;
    TypeTable &types_;
    OwnedBlocks blocks_;
    const HeapReader *settled_ = nullptr;  // whose answers stand; null in the first pass
    HeapReader *claimer_ = this;           // which has the claims of the first pass
    Learned learned_;
    WalkBudget budget_;
    std::unordered_set<u64> running_frames_;
    std::mutex claims_mutex_;                            // of the next three
    std::unordered_map<u64, TableUsers> orphan_tables_;  // by key table
    TableClaims claims_;
    std::unordered_set<u64> shared_owners_;
    bool is_claiming_ = true;
    u64 table_bytes_ = 0, tables_left_out_ = 0;
};

}  // namespace heapgraph
