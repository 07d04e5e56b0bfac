// Str: characters of one, two or four bytes, mostly behind the struct.
#include "walker/types/builtins/texts.hpp"

namespace heapgraph {
namespace {

// PyASCIIObject.state (Include/cpython/unicodeobject.h); its two lowest bits are what
// HeapReader::is_interned asks.
struct TextState {
    u64 width;     // bytes of a character
    bool compact;  // its characters follow the struct
    bool ascii;
};

TextState read_state(const Layout &layout, View view) {
    const u32 state = view.u32_at(layout.uni_state);
    return {state >> 2 & 7, (state & 32) != 0, (state & 64) != 0};
}

void append_utf8(std::string &out, u32 code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xc0 | code >> 6);
        out += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        if (code >= 0xd800 && code < 0xe000) code = 0xfffd;  // a lone surrogate is no valid text
        out += static_cast<char>(0xe0 | code >> 12);
        out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
        if (code > 0x10ffff) return append_utf8(out, 0xfffd);
        out += static_cast<char>(0xf0 | code >> 18);
        out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
        out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (code & 0x3f));
    }
}

u64 str_bytes(HeapReader &reader, u64, const TypeInfo &, View view) {
    const Layout &layout = reader.layout();
    const TextState state = read_state(layout, view);
    const u64 length = view.u64_at(layout.uni_length);
    if (state.compact && state.ascii) return layout.uni_ascii_size + length + 1;
    const u64 data = view.u64_at(layout.uni_data);
    u64 size = state.compact ? layout.uni_compact_size + (length + 1) * state.width
                             : layout.uni_size + (data ? (length + 1) * state.width : 0);
    const u64 utf8 = view.u64_at(layout.uni_utf8);
    if (utf8 != 0 && (state.compact || utf8 != data))
        size += view.u64_at(layout.uni_utf8_length) + 1;
    return size;
}

u64 str_footprint(HeapReader &reader, u64, const TypeInfo &type, View view, u64 size) {
    const Layout &layout = reader.layout();  // a subclass: its own struct comes first
    return read_state(layout, view).compact ? size : size + type.basicsize - layout.uni_size;
}

// Compact ASCII strings.
i64 str_least(HeapReader &reader, u64, const TypeInfo &) { return reader.layout().uni_ascii_size; }

bool preview_str(HeapReader &reader, u64 object, const TypeInfo &, std::string &out) {
    return append_text(reader, object, out);
}

}  // namespace

bool append_text(HeapReader &reader, u64 text, std::string &out) {
    const Layout &layout = reader.layout();
    MemoryImage &memory = reader.memory();
    const View view = memory.view(text, layout.uni_ascii_size);
    if (!view) return false;
    const TextState state = read_state(layout, view);
    const u64 length = view.u64_at(layout.uni_length), width = state.width;
    if (width != 1 && width != 2 && width != 4) return false;
    u64 data = text + (state.ascii ? layout.uni_ascii_size : layout.uni_compact_size);
    if (!state.compact) data = memory.u64_at(text + layout.uni_data);
    const u64 shown = length < kPreviewCharacters ? length : kPreviewCharacters;
    const View characters = memory.view(data, shown * width);
    if (!characters && shown != 0) return false;
    for (u64 i = 0; i < shown; ++i) {
        append_utf8(out, width == 1   ? characters.u8_at(i)
                         : width == 2 ? characters.read<u16>(i * 2)
                                      : characters.u32_at(i * 4));
    }
    if (shown < length) out += kCut;
    return true;
}

extern const TypeReader str_reader{.name = "str",
                                   .getsizeof_ = str_bytes,
                                   .footprint = str_footprint,
                                   .preview = preview_str,
                                   .least_bytes = str_least};

}  // namespace heapgraph
