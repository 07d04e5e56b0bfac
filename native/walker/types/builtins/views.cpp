// Objects that stand for another one: memoryviews and weak references.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

void memoryview_references(HeapReader &reader, u64 object, const TypeInfo &, EdgeList &out) {
    out.add(reader.memory().u64_at(object + reader.layout().memoryview_mbuf), EdgeKind::kField,
            reader.name("mbuf"));
}

void weakref_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const View view = reader.body(object, type);
    static const std::string referent = "referent",
                             callback = "callback";  // a heap may have millions
    out.add(view.u64_at(reader.layout().wr_object), EdgeKind::kWeak, reader.name(referent), 0);
    out.add(view.u64_at(reader.layout().wr_callback), EdgeKind::kField, reader.name(callback));
}

}  // namespace

extern const TypeReader memoryview_reader{.name = "memoryview",
                                          .references = memoryview_references};
extern const TypeReader weakref_reader{.name = "weakref", .references = weakref_references};

}  // namespace heapgraph
