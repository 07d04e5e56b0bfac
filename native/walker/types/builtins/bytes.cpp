// Bytes and bytearray.
#include "walker/types/builtins/texts.hpp"

namespace heapgraph {
namespace {

bool preview_bytes(HeapReader &reader, u64 object, const TypeInfo &, std::string &out) {
    const Layout &layout = reader.layout();
    const u64 length = reader.memory().u64_at(object + layout.var_size);
    const u64 shown = length < kPreviewCharacters ? length : kPreviewCharacters;
    const View data = reader.memory().view(object + layout.bytes_sval, shown);
    if (!data && shown != 0) return false;
    out += "b'";
    static const char *hex = "0123456789abcdef";
    for (u64 i = 0; i < shown; ++i) {
        const u8 byte = data.u8_at(i);
        if (byte == '\\' || byte == '\'') {
            out += '\\';
            out += static_cast<char>(byte);
        } else if (byte >= 32 && byte < 127) {
            out += static_cast<char>(byte);
        } else {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    }
    out += '\'';
    if (shown < length) out += kCut;
    return true;
}

u64 bytearray_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const u64 bytes = view.u64_at(layout.bytearray_alloc);
    const bool in_bytes_object = present(layout.bytearray_object) && bytes != 0;  // 3.15
    return type.basicsize + bytes + (in_bytes_object ? layout.bytes_sval + 1 : 0);
}

// 3.15: the buffer is an object of its own.
u64 bytearray_footprint(HeapReader &reader, u64, const TypeInfo &type, View, u64 size) {
    return present(reader.layout().bytearray_object) ? (type.is_gc ? kGcHead : 0) + type.basicsize
                                                     : size;
}

}  // namespace

extern const TypeReader bytes_reader{.name = "bytes", .preview = preview_bytes};
extern const TypeReader bytearray_reader{
    .name = "bytearray", .getsizeof_ = bytearray_bytes, .footprint = bytearray_footprint};

}  // namespace heapgraph
