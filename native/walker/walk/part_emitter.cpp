#include "walker/walk/part_emitter.hpp"

namespace heapgraph {

void PartEmitter::emit_facts(u64 address, const TypeInfo &type, const Position &at, u32 id,
                             bool is_static) {
    u16 flags = 0;
    if (reader_.has_gc_head(address, type)) flags |= kIsGc;
    if (at.is_tracked()) flags |= kGcTracked;
    if (reader_.is_immortal(address)) flags |= kImmortal;
    if (type.flags & type_flag::kType) flags |= kIsType;
    if (is_static) flags |= kStatic;
    if (reader_.is_interned(address, type)) flags |= kInterned;
    const Sizes sizes = reader_.sizes(address, type);
    columns_.type.put(id, type.row, rows_.type);
    // What lies in the program's own data was not allocated; nothing of it would come back.
    columns_.shallow.put(id, is_static ? 0 : sizes.shallow, rows_.shallow);
    columns_.getsizeof_.put(id, sizes.getsizeof, rows_.getsizeof_);
    columns_.refcount.put(id, static_cast<u64>(reader_.refcount(address)), rows_.refcount);
    columns_.flags[id] = flags;
    text_.clear();
    const bool has_preview = reader_.preview(address, type, text_);
    columns_.preview_size.put(id, has_preview ? text_.size() + 1 : 0, rows_.preview_size);
    rows_.previews.append(text_.data(), has_preview ? text_.size() : 0);
}

// The bits that tell whether a target is an object, and which one, are anywhere in memory.
void PartEmitter::collect_edges(u32 id, const TypeInfo &type, bool uncounted) {
    for (const Edge &edge : edges_.edges()) {
        Position target;
        if (!find_position(image_, edge.target, target)) continue;
        const u64 word = target.bit >> 6;
        __builtin_prefetch(&target.region->known[word]);
        __builtin_prefetch(&target.region->ranks[word]);
        if (collected_count_ == kCollected) write_collected();
        Collected &next = collected_[collected_count_++];
        next = {edge, target, id, type.row};
        if (uncounted) next.edge.flags &= ~kCounted;
    }
}

// The references to known objects become rows.
void PartEmitter::write_collected() {
    for (u64 i = 0; i < collected_count_; ++i) {
        const Collected &each = collected_[i];
        if (each.owner != degree_of_) {
            end_degree();
            degree_of_ = each.owner;
        }
        if (each.target.is_known()) write_edge(each.target, each.edge, each.owner_type);
    }
    collected_count_ = 0;
}

void PartEmitter::write_edge(const Position &target, const Edge &edge, u32 owner_type) {
    if (references_ >= budget_.references) {
        ++left_out_;
        return;
    }
    const u64 row = rows_.target.size();
    rows_.target.push_back(target.id());
    rows_.label.push_back(label_is_object(edge.kind) ? find_id(image_, edge.label)
                                                     : static_cast<u32>(edge.label));
    rows_.kind.push_back(static_cast<u8>(edge.kind));
    rows_.edge_flags.push_back(edge.flags & ~(kPlaceless | kTrailing));
    ++degree_;
    ++references_;
    if (!(edge.flags & kCounted)) return;
    if (edge.flags & kPlaceless) {
        rows_.doubts.add_placeless(row);
    } else if (edge.flags & kScanned) {
        if (edge.flags & kTrailing) {
            rows_.doubts.add_trailing(row, owner_type);
        } else {
            rows_.doubts.add_doubtful(row);
        }
    }
}

void PartEmitter::end_degree() {
    if (degree_ != 0) columns_.out_degree.put(degree_of_, degree_, rows_.out_degree);
    degree_ = 0;
}

}  // namespace heapgraph
