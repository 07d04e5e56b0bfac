// Sets and frozen sets: a table of members with their hashes, inside of the object while it is
// small.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kDeletedHash = -1;  // the entry holds a static marker object

void set_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.body(object, type);
    const u64 mask = view.u64_at(layout.set_mask), step = layout.set_entry_size;
    if (mask > kMaxItems) return;
    reader.each_part(object, view.u64_at(layout.set_table), (mask + 1) * step, step,
                     [&](View table, u64 offset) {
                         for (u64 at = 0; at < table.size(); at += step) {
                             const u64 key = table.u64_at(at + layout.set_entry_key);
                             if (key == 0 || table.i64_at(at + 8) == kDeletedHash) continue;
                             out.add(key, EdgeKind::kMember, (offset + at) / step);
                         }
                     });
}

u64 set_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const bool small = view.u64_at(layout.set_table) == object + layout.set_smalltable;
    return type.basicsize +
           (small ? 0 : (view.u64_at(layout.set_mask) + 1) * layout.set_entry_size);
}

}  // namespace

extern const TypeReader set_reader{
    .name = "set", .references = set_references, .getsizeof_ = set_bytes};

}  // namespace heapgraph
