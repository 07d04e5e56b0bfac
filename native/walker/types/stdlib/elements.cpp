// xml.etree.ElementTree.Element: attributes and children lie in a second struct.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// ElementObject and ElementObjectExtra of Modules/_elementtree.c
constexpr u64 kMaxChildren = 1ull << 32;

// text and tail carry a flag in their lowest bit.
void element_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.body(object, type);
    out.add(view.u64_at(layout.element_tag), EdgeKind::kField, reader.name("tag"));
    out.add(view.u64_at(layout.element_text) & ~u64{1}, EdgeKind::kField, reader.name("text"));
    out.add(view.u64_at(layout.element_tail) & ~u64{1}, EdgeKind::kField, reader.name("tail"));
    const View extra =
        reader.memory().view(view.u64_at(layout.element_extra), layout.element_own_children);
    if (!extra) return;
    out.add(extra.u64_at(layout.element_attributes), EdgeKind::kField, reader.name("attrib"));
    const u64 count = extra.u64_at(layout.element_length);
    if (count <= kMaxChildren)
        reader.items_at(object, extra.u64_at(layout.element_children), count, out);
}

u64 element_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const u64 extra = view.u64_at(layout.element_extra);
    const View head = reader.memory().view(extra, layout.element_extra_size);
    if (!head) return type.basicsize;
    const bool apart = head.u64_at(layout.element_children) != extra + layout.element_own_children;
    return type.basicsize + layout.element_extra_size +
           (apart ? head.u64_at(layout.element_allocated) * 8 : 0);
}

}  // namespace

extern const TypeReader element_reader{
    .name = "element", .references = element_references, .getsizeof_ = element_bytes};

}  // namespace heapgraph
