// Reads objects into rows: one of these for each thread, a part of the objects at a time.
#pragma once

#include <array>
#include <string>

#include "walker/types/heap_reader.hpp"
#include "walker/walk/columns.hpp"
#include "walker/walk/doubts.hpp"
#include "walker/walk/positions.hpp"
#include "walker/walk/traverse.hpp"

namespace heapgraph {

// Rows of references, and texts, that are not in the columns yet.
struct PartRows {
    Column<u32> target, label;
    Column<u8> kind, edge_flags;
    Column<char> previews;
    Doubts doubts;  // by their row in here
    // Of the objects, whose other numbers are in the columns already.
    std::vector<hg_large_value> type, shallow, getsizeof_, refcount, out_degree, preview_size;
    u64 objects = 0;

    void drop() {
        target.drop_rows();
        label.drop_rows();
        kind.drop_rows();
        edge_flags.drop_rows();
        previews.drop_rows();
        objects = 0;
    }
};

class PartEmitter {
public:
    // image, reader, traversed: of the first pass, in which all types and names were met.
    PartEmitter(const MemoryImage &image, const HeapReader &reader, const Traversed &traversed,
                const WalkBudget &budget, Columns &columns)
        : image_(image), reader_(reader, image_), traversed_(traversed), budget_(budget),
          columns_(columns) {}

    // One object; its row is the id that numbering has given it. `flush` takes the rows when there
    // are many of them.
    template <typename Flush>
    void emit(u64 address, const Position &at, u32 id, bool is_static, Flush flush) {
        const TypeInfo *type = reader_.type_of(address);
        ++rows_.objects;
        if (type == nullptr) return;  // cannot happen: only objects with a type become known
        emit_facts(address, *type, at, id, is_static);
        // Code and constants frozen into the interpreter since 3.11; types count what they own.
        const bool is_immortal = columns_.flags[id] & kImmortal;
        const bool uncounted = is_static && is_immortal && !type->reader->is("type");
        const auto take = [&] {
            collect_edges(id, *type, uncounted);
            if (rows_.target.size() > kManyRows) flush(rows_);
        };
        read_references(address, *type, take);
    }
    // Writes what was collected, when a part is whole.
    void finish() {
        write_collected();
        end_degree();
    }
    PartRows &rows() { return rows_; }
    u64 references() const { return references_; }
    u64 left_out() const { return left_out_ + reader_.tables_left_out(); }
    u64 table_bytes() const { return reader_.table_bytes(); }

private:
    static constexpr u64 kManyRows = 1 << 18;

    void emit_facts(u64 address, const TypeInfo &type, const Position &at, u32 id, bool is_static);
    // `uncounted`: the object was made by the compiler, which counts no references.
    void collect_edges(u32 id, const TypeInfo &type, bool uncounted);
    void write_collected();
    void write_edge(const Position &target, const Edge &edge, u32 owner_type);
    void end_degree();
    // To be taken in parts where nobody has to see all of them.
    template <typename Taker>
    void read_references(u64 address, const TypeInfo &type, Taker take) {
        edges_.clear();
        Visits visits;
        const bool is_traversed = type.traversed != 0 && traversed_.find(address, visits);
        if (!is_traversed) edges_.hand_over(take);
        reader_.references(address, type, edges_);
        if (is_traversed) {
            merge_visits(edges_, visits);
            edges_.hand_over(take);
        }
        edges_.finish();
        edges_.clear();
    }

    MemoryImage image_;
    HeapReader reader_;
    const Traversed &traversed_;
    const WalkBudget &budget_;
    Columns &columns_;  // the rows of this part's objects are written by this thread alone
    PartRows rows_;
    EdgeList edges_;
    // References that wait until the bits of their targets have come.
    struct Collected {
        Edge edge;
        Position target;
        u32 owner;
        u32 owner_type;
    };
    static constexpr u64 kCollected = 48;
    std::array<Collected, kCollected> collected_;
    u64 collected_count_ = 0;
    u32 degree_of_ = 0;  // the object whose references are being counted
    u64 degree_ = 0;
    std::string text_;  // a preview in the making
    u64 references_ = 0, left_out_ = 0;
};

}  // namespace heapgraph
