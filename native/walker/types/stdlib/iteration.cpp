// functools.lru_cache and itertools.tee.
#include "walker/types/chains.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// A bounded lru_cache visits, link by link, what its links own (and since 3.10 the link's type).
// Those references belong to the links and are not counted again.
void lru_cache_references(HeapReader &reader, u64 object, const TypeInfo &, EdgeList &out) {
    const Layout &layout = reader.layout();
    u64 link = reader.memory().u64_at(object + layout.lru_elem_next);
    const u32 key = reader.name("key"), result = reader.name("result"), own = reader.name("link");
    LoopGuard guard;
    while (link != 0 && link != object && !guard.has_seen(link)) {
        const View view = reader.memory().view(link, layout.lru_elem_result + 8);
        if (!view || !reader.afford(view.size())) return;
        out.add(link, EdgeKind::kField, own,
                kCounted);  // the list owns each link once, the dict once more
        out.add(view.u64_at(layout.lru_elem_key), EdgeKind::kField, key, kGcVisible);
        out.add(view.u64_at(layout.lru_elem_result), EdgeKind::kField, result, kGcVisible);
        if (layout.kinds.lru_link == kind::lru_link::with_type)
            out.add(view.u64_at(layout.type), EdgeKind::kType, kNoLabel, kGcVisible);
        link = view.u64_at(layout.lru_elem_next);
    }
}

// A block of itertools.tee: slots beyond numread hold stale words.
void tee_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.body(object, type);
    out.add(view.u64_at(layout.tee_it), EdgeKind::kField, reader.name("it"));
    out.add(view.u64_at(layout.tee_nextlink), EdgeKind::kField, reader.name("nextlink"));
    const i32 count = view.read<i32>(layout.tee_numread);
    for (i32 i = 0; i < count && layout.tee_values + i * 8 + 8 <= type.basicsize; ++i) {
        out.add(view.u64_at(layout.tee_values + i * 8), EdgeKind::kIndex, i);
    }
}

}  // namespace

extern const TypeReader lru_cache_reader{.name = "lru_cache", .references = lru_cache_references};
extern const TypeReader tee_reader{.name = "tee", .references = tee_references};

}  // namespace heapgraph
