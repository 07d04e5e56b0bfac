// xml.etree.ElementTree.Element: attributes and children lie in a second struct.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// ElementObject and ElementObjectExtra of Modules/_elementtree.c
constexpr i64 kTag = 16, kText = 24, kTail = 32, kExtra = 40;
constexpr i64 kAttributes = 0, kLength = 8, kAllocated = 16, kChildren = 24, kOwnChildren = 32;
constexpr u64 kExtraHead = 32, kExtraSize = 64;
constexpr u64 kMaxChildren = 1ull << 32;

// text and tail carry a flag in their lowest bit.
void element_references(HeapReader& reader, u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = reader.body(object, type);
  out.add(view.word(kTag), EdgeKind::kField, reader.name("tag"));
  out.add(view.word(kText) & ~u64{1}, EdgeKind::kField, reader.name("text"));
  out.add(view.word(kTail) & ~u64{1}, EdgeKind::kField, reader.name("tail"));
  const View extra = reader.memory().view(view.word(kExtra), kExtraHead);
  if (!extra) return;
  out.add(extra.word(kAttributes), EdgeKind::kField, reader.name("attrib"));
  const u64 count = extra.word(kLength);
  if (count <= kMaxChildren) reader.items_at(object, extra.word(kChildren), count, out);
}

u64 element_bytes(HeapReader& reader, u64, const TypeInfo& type, View view) {
  const u64 extra = view.word(kExtra);
  const View head = reader.memory().view(extra, kExtraSize);
  if (!head) return type.basicsize;
  const bool apart = head.word(kChildren) != extra + kOwnChildren;
  return type.basicsize + kExtraSize + (apart ? head.word(kAllocated) * 8 : 0);
}

}  // namespace

extern const TypeReader element_reader{
    .name = "element", .references = element_references, .getsizeof_ = element_bytes};

}  // namespace heapgraph
