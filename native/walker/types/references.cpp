// What an object refers to: the parts that every kind of object has, and what the reader of its
// type adds.
#include <algorithm>

#include "walker/types/attributes.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

void add_fields(View object, const TypeInfo &type, EdgeList &out) {
    for (const FieldRule &field : type.fields) {
        out.add(object.u64_at(field.offset), field.kind, field.name, field.flags);
    }
}

// Words of a C struct without a rule. A name from the type's member table wins over a bare offset.
void add_scanned_words(View object, const TypeInfo &type, EdgeList &out) {
    const i64 end = std::min<i64>(type.scan_to, object.size());
    for (i64 at = type.scan_from; at + 8 <= end; at += 8) {
        if (at == type.dictoffset || at == type.weaklistoffset) continue;
        bool named = false;
        for (const FieldRule &field : type.fields) named |= field.offset == at;
        if (!named) out.add(object.u64_at(at), EdgeKind::kUnnamed, at, kOwned | kScanned);
    }
}

}  // namespace

void HeapReader::references(u64 object, const TypeInfo &type, EdgeList &out) {
    u8 flags_of_type = type.is_heap ? kCounted : 0;
    if (type.type_edge_visible) flags_of_type |= kGcVisible;
    out.add(type.address, EdgeKind::kType, kNoLabel, flags_of_type);
    const View view = body(object, type);
    add_fields(view, type, out);
    if (type.scan_from < type.scan_to) add_scanned_words(view, type, out);
    if (type.reader->references != nullptr) type.reader->references(*this, object, type, out);
    if (!type.reader->describes_types) add_attributes(*this, object, type, out);
    if (type.blocks.contents & BlockRule::kReferences) blocks_.references(object, type, out);
}

}  // namespace heapgraph
