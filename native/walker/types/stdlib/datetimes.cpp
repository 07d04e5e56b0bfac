// datetime.datetime and datetime.time. Only an aware one has the last word, its time zone: a naive
// one ends before it.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kTimezone = 8;  // bytes

bool is_aware(HeapReader &reader, View view) {
    return view.read<i8>(reader.layout().datetime_has_tzinfo) != 0;
}

void datetime_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const View view = reader.body(object, type);
    if (!is_aware(reader, view)) return;
    const u64 builtin = reader.memory().u64_at(type.builtin_base + reader.layout().tp_basicsize);
    out.add(view.u64_at(builtin - kTimezone), EdgeKind::kField, reader.name("tzinfo"), kCounted);
}

u64 datetime_footprint(HeapReader &reader, u64, const TypeInfo &type, View view, u64 size) {
    return type.is_python_class || is_aware(reader, view) ? size : size - kTimezone;
}

i64 datetime_least(HeapReader &, u64, const TypeInfo &type) {
    return type.is_python_class ? type.basicsize : type.basicsize - kTimezone;
}

}  // namespace

extern const TypeReader datetime_reader{.name = "datetime",
                                        .references = datetime_references,
                                        .footprint = datetime_footprint,
                                        .least_bytes = datetime_least};

}  // namespace heapgraph
