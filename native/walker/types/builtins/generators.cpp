// Generators, coroutines and async generators: since 3.11 their frame lies in them.
#include "walker/types/builtins/frames.hpp"

namespace heapgraph {
namespace {

void add_saved_exception(HeapReader &reader, View view, EdgeList &out) {
    const Layout &layout = reader.layout();
    const i64 saved = layout.gen_exc_state;
    if (present(layout.exc_info_type)) {
        out.add(view.u64_at(saved + layout.exc_info_type), EdgeKind::kField,
                reader.name("exc_type"));
        out.add(view.u64_at(saved + layout.exc_info_traceback), EdgeKind::kField,
                reader.name("exc_traceback"));
    }
    out.add(view.u64_at(saved + layout.exc_info_value), EdgeKind::kField, reader.name("exc_value"));
}

void generator_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.body(object, type);
    add_saved_exception(reader, view, out);
    if (!present(layout.gen_iframe)) return;
    const View state = reader.memory().view(object + layout.gen_frame_state, 1);
    if (static_cast<signed char>(state.u8_at(0)) < layout.gen_state_cleared) {
        return add_frame(reader, object + layout.gen_iframe, kOwned, out);
    }
    // One that has ended keeps its code, up to 3.11 in a field of its own.
    if (present(layout.gen_code)) return;
    add_stackref(reader, view.u64_at(layout.gen_iframe + layout.if_code), EdgeKind::kField,
                 reader.name("gi_code"),
                 layout.kinds.stack_reference == kind::stack_reference::pointer ? kCounted : kOwned,
                 out);
}

u64 generator_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    if (!present(layout.gen_iframe)) return type.basicsize;
    const u64 code = object_of(layout, view.u64_at(layout.gen_iframe + layout.if_code));
    return layout.gen_iframe + layout.if_localsplus + frame_slots(reader, code).all() * 8;
}

}  // namespace

extern const TypeReader generator_reader{
    .name = "generator", .references = generator_references, .getsizeof_ = generator_bytes};

}  // namespace heapgraph
