// queue.SimpleQueue (Modules/_queuemodule.c): a list up to 3.12, a ring of items since 3.13.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kList = 32;
constexpr i64 kFirst = 32, kItems = 40, kCapacity = 48, kLength = 56;
constexpr u64 kMaxCapacity = 1ull << 32;

void queue_references(HeapReader& reader, u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = reader.body(object, type);
  if (!reader.layout().at_least(13)) return out.add(view.word(kList), EdgeKind::kField, reader.name("lst"));
  const u64 capacity = view.word(kCapacity), length = view.word(kLength);
  if (capacity > kMaxCapacity || length > capacity) return;
  const u64 first = view.word(kFirst), items = view.word(kItems);
  if (first >= capacity || !reader.memory().covers(items, capacity * 8)) return;
  const auto run = [&](u64 from, u64 count, u64 place) {  // the ring goes on at its start
    reader.each_part(object, items + from * 8, count * 8, 8, [&](View words, u64 offset) {
      for (u64 at = 0; at < words.size(); at += 8) out.add(words.word(at), EdgeKind::kIndex, place + (offset + at) / 8);
    });
  };
  const u64 to_end = std::min(length, capacity - first);
  run(first, to_end, 0);
  run(0, length - to_end, to_end);
}

}  // namespace

extern const TypeReader simple_queue_reader{.name = "simple_queue", .references = queue_references};

}  // namespace heapgraph
