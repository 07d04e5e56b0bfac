// Modules. Their dict is found by tp_dictoffset like any other.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxState = 1 << 20;

// The module's own C state: what its traverse function visits, without names.
void state_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    MemoryImage &memory = reader.memory();
    const View module = reader.body(object, type);
    const u64 state = module.u64_at(layout.module_state);
    if (state == 0) return;
    u64 size = 0, traverse = 0;
    if (present(layout.module_state_size)) {
        size = module.u64_at(layout.module_state_size);
        traverse = module.u64_at(layout.module_state_traverse);
    } else if (const u64 definition = module.u64_at(layout.module_def)) {
        size = memory.u64_at(definition + layout.moduledef_size);
        traverse = memory.u64_at(definition + layout.moduledef_traverse);
    }
    if (size > kMaxState) return;
    const View words = memory.view(state, size);
    const u8 flags = (traverse ? kOwned : 0) | kScanned;
    for (u64 at = 0; words && at + 8 <= size; at += 8)
        out.add(words.u64_at(at), EdgeKind::kUnnamed, at, flags);
}

}  // namespace

extern const TypeReader module_reader{.name = "module", .references = state_references};

}  // namespace heapgraph
