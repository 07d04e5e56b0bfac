// How large an object is. sys.getsizeof: each type has its own idea of what belongs to it. Shallow
// size: the bytes asked of the allocators for it and the buffers it owns, which is what tracemalloc
// would see freed; that starts from getsizeof and corrects what it leaves out.
#include "walker/types/attributes.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxSize = 1ull << 46;  // a larger size is a damaged header

// Buffers of the type's rule; which of them a type's __sizeof__ counts is part of the rule.
u64 buffers_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view,
                  bool in_getsizeof) {
    u64 size = 0;
    for (const BufferRule &buffer : type.buffers) {
        if (buffer.in_getsizeof != in_getsizeof) continue;
        const u64 address = view.u64_at(buffer.pointer);
        if (address == 0 || address - object < u64(type.basicsize)) continue;
        if (present(buffer.flag) && view.u8_at(buffer.flag) == 0) continue;
        u64 count = 1;
        if (buffer.how == BufferCount::kWord) count = view.u64_at(buffer.count);
        if (buffer.how == BufferCount::kTuple)
            count = reader.tuple_length(view.u64_at(buffer.count));
        if (count < kMaxSize / 64) size += count * buffer.item_size;
    }
    return size;
}

}  // namespace

Sizes HeapReader::sizes(u64 object, const TypeInfo &type) {
    const View view = memory_.view_up_to(object, type.basicsize);  // a short string has less
    u64 bytes = type.reader->getsizeof_(*this, object, type, view) +
                buffers_bytes(*this, object, type, view, true);
    if (bytes > kMaxSize) bytes = type.basicsize;
    bool gc_head = type.is_gc;
    if (type.reader->describes_types) {
        gc_head =
            is_heap_type(object) || layout_.kinds.class_gc_head == kind::class_gc_head::always;
    }
    Sizes result;
    result.getsizeof = bytes + (gc_head ? kGcHead : 0) + type.preheader;
    result.shallow = footprint(object, type, view, result.getsizeof);
    if (result.shallow > kMaxSize) result.shallow = result.getsizeof;
    return result;
}

u64 HeapReader::footprint(u64 object, const TypeInfo &type, View view, u64 getsizeof_bytes) {
    const u64 size = getsizeof_bytes + attribute_bytes(*this, object, type) +
                     buffers_bytes(*this, object, type, view, false) + blocks_.bytes(object, type);
    return type.reader->footprint(*this, object, type, view, size);
}

// Types carry a GC head only when they are heap types: tp_is_gc of `type` says so.
bool HeapReader::has_gc_head(u64 object, const TypeInfo &type) {
    if (!type.is_gc || !type.reader->describes_types) return type.is_gc;
    return is_heap_type(object);
}

}  // namespace heapgraph
