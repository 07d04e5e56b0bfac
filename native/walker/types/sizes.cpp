// How large an object is. sys.getsizeof: each type has its own idea of what belongs to it. Shallow
// size: the bytes asked of the allocators for it and the buffers it owns, which is what tracemalloc
// would see freed; that starts from getsizeof and corrects what it leaves out.
#include <algorithm>

#include "walker/blocks/allocators.hpp"
#include "walker/image/processor.hpp"
#include "walker/types/attributes.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxSize = 1ull << 46;  // a larger size is a damaged header

// What allocators give beyond what they are asked for: a size class of CPython's own, or a chunk of
// glibc's with a rest that is too small for one; pages, where the chunk is a mapping of its own.
constexpr u64 kPoolRest = 15, kSmallRequest = 512, kChunkRest = 31, kMappingRest = kPage + 31;
constexpr u64 kMinMapping = 128 << 10;  // the smallest chunk that has one, and its largest rest

u64 allocator_rest(u64 block) {
    if (block <= kSmallRequest) return kPoolRest;
    return block < kMinMapping - kPage ? kChunkRest : kMappingRest;
}

// Buffers of the type's rule; which of them a type's __sizeof__ counts is part of the rule.
u64 buffers_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view,
                  bool in_getsizeof) {
    u64 size = 0;
    for (const BufferRule &buffer : type.buffers) {
        if (buffer.in_getsizeof == in_getsizeof)
            size += reader.buffer_at(object, type, view, buffer).size;
    }
    return size;
}

// Whether an object begins in [start, end).
bool holds_object(MemoryImage &memory, u64 start, u64 end) {
    const Region *region = memory.find(start);
    if (region == nullptr) return false;
    const u64 first = (start - region->start) / 8;
    const u64 last = std::min((end - region->start) / 8, region->size / 8);
    const auto &used = region->used;
    for (auto block = std::lower_bound(used.begin(), used.end(), first / 64 / kBlockWords);
         block != used.end() && *block * kBlockWords * 64 < last; ++block) {
        u64 bit = std::max(first, *block * kBlockWords * 64);
        const u64 behind = std::min(last, (*block + u64{1}) * kBlockWords * 64);
        for (u64 step; bit < behind; bit += step) {
            step = std::min(behind - bit, 64 - bit % 64);
            const u64 mask = (step == 64 ? ~u64{0} : (u64{1} << step) - 1) << bit % 64;
            if (region->known[bit / 64] & mask) return true;
        }
    }
    return false;
}

}  // namespace

// A struct of C code may go on behind what its type says (cffi's new("char[4000]")). The block that
// begins with an object is the object's, where no other one lies in it.
u64 HeapReader::bytes_behind(u64 object, const TypeInfo &type) {
    const u64 head = (type.is_gc ? kGcHead : 0) + type.preheader, asked = head + type.basicsize;
    const u64 block = block_bytes(memory_, layout_, object - head);
    if (block <= asked + allocator_rest(block)) return 0;
    return holds_object(memory_, object + 8, object - head + block) ? 0 : block - asked;
}

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

KnownBuffer HeapReader::buffer_at(u64 object, const TypeInfo &type, View view,
                                  const BufferRule &buffer) {
    const u64 address = view.u64_at(buffer.pointer);
    if (address == 0 || address - object < u64(type.basicsize)) return {};
    if (present(buffer.flag) && view.u8_at(buffer.flag) == 0) return {};
    u64 count = 1;
    if (buffer.how == BufferCount::kWord) count = view.u64_at(buffer.count);
    if (buffer.how == BufferCount::kTuple) count = tuple_length(view.u64_at(buffer.count));
    return count < kMaxSize / 64 ? KnownBuffer{address, count * buffer.item_size} : KnownBuffer{};
}

u64 HeapReader::footprint(u64 object, const TypeInfo &type, View view, u64 getsizeof_bytes) {
    const u64 size = getsizeof_bytes + attribute_bytes(*this, object, type) +
                     buffers_bytes(*this, object, type, view, false) + blocks_.bytes(object, type) +
                     (type.may_go_on ? bytes_behind(object, type) : 0);
    return type.reader->footprint(*this, object, type, view, size);
}

// Types carry a GC head only when they are heap types: tp_is_gc of `type` says so.
bool HeapReader::has_gc_head(u64 object, const TypeInfo &type) {
    if (!type.is_gc || !type.reader->describes_types) return type.is_gc;
    return is_heap_type(object);
}

}  // namespace heapgraph
