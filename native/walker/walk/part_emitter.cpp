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

// What was handed over: the references to known objects become rows. Returns how many.
u32 PartEmitter::write_edges(const TypeInfo &type, bool uncounted) {
    u32 degree = 0;
    for (const Edge &edge : edges_.edges()) {
        const u32 target = find_id(image_, edge.target);
        if (target == kNoRow) continue;
        if (references_ >= budget_.references) {
            ++left_out_;
            break;
        }
        const u64 row = rows_.target.size();
        rows_.target.push_back(target);
        rows_.label.push_back(label_is_object(edge.kind) ? find_id(image_, edge.label)
                                                         : static_cast<u32>(edge.label));
        rows_.kind.push_back(static_cast<u8>(edge.kind));
        const u8 flags = uncounted ? edge.flags & ~kCounted : edge.flags;
        rows_.edge_flags.push_back(flags & ~(kPlaceless | kTrailing));
        const bool counted = flags & kCounted;
        if (counted && edge.flags & kPlaceless) {
            rows_.doubts.add_placeless(row);
        } else if (counted && edge.flags & kScanned) {
            if (edge.flags & kTrailing) {
                rows_.doubts.add_trailing(row, type.row);
            } else {
                rows_.doubts.add_doubtful(row);
            }
        }
        ++degree;
        ++references_;
    }
    return degree;
}

}  // namespace heapgraph
