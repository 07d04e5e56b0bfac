// Code objects.
#include "walker/types/builtins/texts.hpp"

namespace heapgraph {
namespace {

// _PyCoCached (Include/cpython/code.h): objects that code caches for programs that ask for co_code,
// co_varnames...
struct CachedField {
    i64 Layout::*place;
    const char *name;
};
constexpr CachedField kCached[] = {
    {&Layout::code_cached_code, "_co_code"},
    {&Layout::code_cached_varnames, "_co_varnames"},
    {&Layout::code_cached_cellvars, "_co_cellvars"},
    {&Layout::code_cached_freevars, "_co_freevars"},
};

// PyCodeObject of 3.8 to 3.10, behind co_extra (Include/cpython/code.h); an entry is a _PyOpcache
constexpr i64 kOpcodeCacheMap = 8, kOpcodeCacheSize = 28;
constexpr u64 kOpcodeCacheEntry = 32;

// 0 when nothing is cached.
u64 cached_fields(const Layout &layout, View code) {
    return present(layout.code_cached) ? code.u64_at(layout.code_cached) : 0;
}

void code_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const u64 cached = cached_fields(layout, reader.body(object, type));
    if (cached == 0) return;
    const View words = reader.memory().view(cached, layout.code_cached_size);
    for (const CachedField &field : kCached) {
        out.add(words.u64_at(layout.*field.place), EdgeKind::kField, reader.name(field.name),
                kCounted);
    }
}

u64 code_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    u64 size = type.basicsize;
    if (present(layout.code_adaptive)) {
        size = round_up(layout.code_adaptive + view.u64_at(layout.var_size) * 2, 8);
    } else {
        if (view.u64_at(layout.code_cell2arg))
            size += reader.tuple_length(view.u64_at(layout.code_cellvars)) * 8;
        if (view.u64_at(layout.code_extra + kOpcodeCacheMap)) {  // made when the code has run often
            size += reader.memory().u64_at(view.u64_at(layout.code_code) + layout.var_size) / 2;
            size += view.u8_at(layout.code_extra + kOpcodeCacheSize) * kOpcodeCacheEntry;
        }
    }
    if (const u64 extra = view.u64_at(layout.code_extra))
        size += 16 + reader.memory().u64_at(extra) * 8;
    return size;
}

u64 code_footprint(HeapReader &reader, u64, const TypeInfo &, View view, u64 size) {
    return cached_fields(reader.layout(), view) ? size + reader.layout().code_cached_size : size;
}

bool preview_code(HeapReader &reader, u64 object, const TypeInfo &, std::string &out) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(object, layout.code_size);
    if (!append_text(reader, view.u64_at(layout.code_name), out)) return false;
    out += " (";
    append_text(reader, view.u64_at(layout.code_filename), out);
    out += ':';
    out += std::to_string(view.read<i32>(layout.code_firstlineno));
    out += ')';
    return true;
}

}  // namespace

extern const TypeReader code_reader{.name = "code",
                                    .references = code_references,
                                    .getsizeof_ = code_bytes,
                                    .footprint = code_footprint,
                                    .preview = preview_code};

}  // namespace heapgraph
