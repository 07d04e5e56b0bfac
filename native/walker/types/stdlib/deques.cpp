// collections.deque: items in a chain of blocks.
#include "walker/types/chains.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kBlock = 528;

void deque_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.body(object, type);
    u64 left = view.u64_at(layout.deque_len);
    u64 block = view.u64_at(layout.deque_leftblock);
    i64 slot = view.i64_at(layout.deque_leftindex);
    const i64 slots = layout.deque_block_slots;
    if (left > kMaxItems || slot < 0 || slot > slots) return;
    LoopGuard guard;
    for (u64 position = 0; left != 0 && block != 0 && !guard.has_seen(block);) {
        const View words = reader.memory().view(block, layout.deque_block_rightlink + 8);
        if (!words || !reader.afford(words.size())) return;
        for (; slot < slots && left != 0; ++slot, --left) {
            out.add(words.u64_at(layout.deque_block_data + slot * 8), EdgeKind::kIndex, position++);
        }
        block = words.u64_at(layout.deque_block_rightlink);
        slot = 0;
    }
}

u64 deque_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const u64 used = view.u64_at(layout.deque_leftindex) + view.u64_at(layout.deque_len);
    const u64 blocks = (used + layout.deque_block_slots - 1) / layout.deque_block_slots;
    return type.basicsize + (blocks ? blocks : 1) * kBlock;
}

}  // namespace

extern const TypeReader deque_reader{
    .name = "deque", .references = deque_references, .getsizeof_ = deque_bytes};

}  // namespace heapgraph
