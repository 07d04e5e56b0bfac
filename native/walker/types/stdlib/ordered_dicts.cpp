// The C OrderedDict: a dict, and a list of nodes that own their keys once more
// (Objects/odictobject.c).
#include "walker/types/builtins/dicts.hpp"
#include "walker/types/chains.hpp"

namespace heapgraph {
namespace {

constexpr u64 kNode = 32;

void ordered_dict_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    dict_references(reader, object, type, out);
    const u64 own = object + layout.dict_size;
    u64 node = reader.memory().u64_at(own + layout.odict_first);
    const DictTable table = dict_table(reader, object);
    const u64 most = table.entries ? table.keys.count : 0;
    LoopGuard guard;
    for (u64 i = 0; node != 0 && i < most && !guard.has_seen(node); ++i) {
        const View view = reader.memory().view(node, layout.odict_node_next + 8);
        if (!view || !reader.afford(view.size())) return;
        out.add(view.u64_at(layout.odict_node_key), EdgeKind::kKey, i);
        node = view.u64_at(layout.odict_node_next);
    }
    if (type.dictoffset == 0) {
        out.add(reader.memory().u64_at(own + layout.odict_inst_dict), EdgeKind::kDict, kNoLabel);
    }
}

u64 ordered_dict_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const u64 size = dict_bytes(reader, object, type, view);
    const u64 nodes =
        reader.memory().u64_at(object + layout.dict_size + layout.odict_fast_nodes_size);
    const bool has_entries = dict_table(reader, object).entries != 0;
    return size + nodes * 8 + (has_entries ? view.u64_at(layout.var_size) * kNode : 0);
}

}  // namespace

extern const TypeReader ordered_dict_reader{.name = "ordered_dict",
                                            .references = ordered_dict_references,
                                            .getsizeof_ = ordered_dict_bytes,
                                            .footprint = dict_footprint};

}  // namespace heapgraph
