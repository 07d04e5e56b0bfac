// array.array and struct.Struct: values of C.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kCode = 32;  // bytes of a formatcode of Modules/_struct.c
constexpr u64 kMaxCodes = 1 << 16;

u64 array_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const View descr =
        reader.memory().view(view.u64_at(layout.array_descr), layout.array_itemsize + 4);
    const u64 width = descr.read<i32>(layout.array_itemsize);
    return type.basicsize + view.u64_at(layout.array_allocated) * width;
}

u64 format_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    u64 codes = 1;  // the end mark is one of them
    const u64 first = view.u64_at(reader.layout().struct_codes);
    while (codes < kMaxCodes && reader.memory().u64_at(first + (codes - 1) * kCode) != 0) ++codes;
    return type.basicsize + codes * kCode;
}

}  // namespace

extern const TypeReader array_reader{.name = "array", .getsizeof_ = array_bytes};
extern const TypeReader struct_reader{.name = "struct", .getsizeof_ = format_bytes};

}  // namespace heapgraph
