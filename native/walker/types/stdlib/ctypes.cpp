// Classes of ctypes and what describes their C types (Modules/_ctypes): a dict subclass in the
// place of the class's dict up to 3.12 (stgdict.c), a struct behind the class object since 3.13
// (StgInfo, ctypes.h).
#include "walker/types/builtins/classes.hpp"
#include "walker/types/builtins/dicts.hpp"

namespace heapgraph {
namespace {

// Offsets in both, from `size` on
constexpr i64 kLength = 16, kElements = 40, kProto = 48, kFormatInDict = 120;
constexpr i64 kInfoSize = 8;  // StgInfo begins with `initialized`
constexpr u64 kMaxElements = 1 << 20;
constexpr u64 kLongest = 160;

struct InfoField {
    i64 offset;
    const char *name;
};
constexpr InfoField kInfoFields[] = {
    {kProto, "proto"}, {80, "argtypes"}, {88, "converters"},
    {96, "restype"},   {104, "checker"}, {112, "module"},
};
constexpr InfoField kPointerType = {120, "pointer_type"};  // 3.14 and later

// Of the StgInfo of a class, 3.13 and later.
u64 info_of(const Layout &layout, u64 object) {
    return object + round_up(layout.ht_size, 16) + kInfoSize;
}

void ctype_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    class_references(reader, object, type, out);
    if (layout.kinds.ctypes_info ==
        kind::ctypes_info::dict) {  // a pointer class visits what its dict owns
        const u64 dict = reader.memory().u64_at(object + layout.tp_dict);
        const u64 proto = reader.memory().u64_at(dict + layout.dict_size + kProto);
        return out.add(proto, EdgeKind::kField, reader.name("proto"), kGcVisible);
    }
    const View info = reader.memory().view(info_of(layout, object), kLongest);
    const auto add = [&](const InfoField &field) {
        out.add(info.u64_at(field.offset), EdgeKind::kField, reader.name(field.name));
    };
    for (const InfoField &field : kInfoFields) add(field);
    if (layout.kinds.ctypes_info == kind::ctypes_info::state_with_pointer) add(kPointerType);
}

// Format, shape and the types of the fields: blocks of their own.
u64 stg_bytes(HeapReader &reader, u64 address, i64 format) {
    const View info = reader.memory().view(address, kLongest);
    u64 size = reader.text_bytes(info.u64_at(format)) + i64{info.read<i32>(format + 8)} * 8;
    if (info.u64_at(kElements) && info.u64_at(kLength) < kMaxElements)
        size += (info.u64_at(kLength) + 1) * 8;
    return size;
}

// What a class has besides; up to 3.12 only the dicts know of the C type.
u64 info_bytes(HeapReader &reader, u64 object) {
    const Layout &layout = reader.layout();
    switch (layout.kinds.ctypes_info) {
    case kind::ctypes_info::state:
        return stg_bytes(reader, info_of(layout, object), kFormatInDict + 8);
    case kind::ctypes_info::state_with_pointer:
        return stg_bytes(reader, info_of(layout, object), kFormatInDict + 16);
    default: return 0;
    }
}

// Since 3.13 the type's own method forgets the key table.
u64 ctype_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view) {
    if (reader.layout().kinds.ctypes_info == kind::ctypes_info::dict)
        return class_bytes(reader, object, type, view);
    return struct_bytes(reader, object, type, view) + info_bytes(reader, object);
}

u64 ctype_footprint(HeapReader &reader, u64 object, const TypeInfo &type, View view, u64 size) {
    if (!reader.is_heap_type(object)) return size;
    return class_footprint(reader, object, type, view, size) + info_bytes(reader, object);
}

u64 stg_dict_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view) {
    const i64 dict_size = reader.layout().dict_size;
    return dict_bytes(reader, object, type, view) + type.basicsize - dict_size +
           stg_bytes(reader, object + dict_size, kFormatInDict);
}

u64 stg_dict_footprint(HeapReader &reader, u64, const TypeInfo &type, View, u64 size) {
    return size - (type.basicsize - reader.layout().dict_size);  // counted twice in getsizeof
}

}  // namespace

extern const TypeReader ctype_reader{.name = "ctype",
                                     .references = ctype_references,
                                     .getsizeof_ = ctype_bytes,
                                     .footprint = ctype_footprint,
                                     .describes_types = true};
extern const TypeReader stg_dict_reader{.name = "stg_dict",
                                        .references = dict_references,
                                        .getsizeof_ = stg_dict_bytes,
                                        .footprint = stg_dict_footprint};

}  // namespace heapgraph
