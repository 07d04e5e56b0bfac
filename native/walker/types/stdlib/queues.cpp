// queue.SimpleQueue (Modules/_queuemodule.c): a list, or a ring of items.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxCapacity = 1ull << 32;

void queue_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const View view = reader.body(object, type);
    const Layout &layout = reader.layout();
    if (present(layout.queue_list))
        return out.add(view.u64_at(layout.queue_list), EdgeKind::kField, reader.name("lst"));
    const u64 capacity = view.u64_at(layout.queue_capacity),
              length = view.u64_at(layout.queue_length);
    if (capacity > kMaxCapacity || length > capacity) return;
    const u64 first = view.u64_at(layout.queue_first), items = view.u64_at(layout.queue_items);
    if (first >= capacity || !reader.memory().covers(items, capacity * 8)) return;
    const auto run = [&](u64 from, u64 count, u64 place) {  // the ring goes on at its start
        reader.each_part(object, items + from * 8, count * 8, 8, [&](View words, u64 offset) {
            for (u64 at = 0; at < words.size(); at += 8)
                out.add(words.u64_at(at), EdgeKind::kIndex, place + (offset + at) / 8);
        });
    };
    const u64 to_end = std::min(length, capacity - first);
    run(first, to_end, 0);
    run(0, length - to_end, to_end);
}

}  // namespace

extern const TypeReader simple_queue_reader{.name = "simple_queue", .references = queue_references};

}  // namespace heapgraph
