// Arrays of numpy 1.x and 2.x (numpy/_core/include/numpy/ndarraytypes.h). Their elements are no
// items of the collector's: an array has no traverse function.
#include <algorithm>

#include "walker/types/builtins/dicts.hpp"

namespace heapgraph {
namespace {

constexpr i64 kMaxDimensions = 64;
constexpr i32 kOwnsData = 4;             // NPY_ARRAY_OWNDATA
constexpr i64 kMaxElements = 1ll << 31;  // so that the product of two is no overflow
constexpr i64 kMaxBytes = 1ll << 47;

// PyArray_Descr. Version 2 has 64-bit flags where version 1 has element size and alignment.
constexpr i64 kTypeNumber = 28;
constexpr i32 kObjectType = 17;  // NPY_OBJECT
constexpr i32 kVoidType = 20;    // NPY_VOID: records and sub-arrays
constexpr i64 kFlags1 = 27, kElementSize1 = 32, kSubarray1 = 40, kFields1 = 48;
constexpr i64 kFlags2 = 32, kElementSize2 = 40, kSubarray2 = 88, kFields2 = 96;
constexpr u64 kDescrSize = 104;
constexpr u8 kHoldsReferences = 1;  // NPY_ITEM_REFCOUNT
constexpr int kMaxNesting = 16;
constexpr u64 kMaxPlaces = 1 << 16;

struct Descr {
    i32 number = 0;
    u64 size = 0;
    bool holds_references = false;
    u64 subarray = 0;
    u64 fields = 0;
};

Descr read_descr(View view) {
    Descr descr;
    descr.number = view.read<i32>(kTypeNumber);
    const i32 size1 = view.read<i32>(kElementSize1);
    // In version 2 this word holds flags, all of them in its lower half; version 1 keeps the
    // alignment, at least 1, in the upper half.
    const bool is_version1 = size1 >= 0 && view.u64_at(kElementSize1) >> 32 != 0;
    descr.size = is_version1 ? size1 : view.u64_at(kElementSize2);
    descr.holds_references = view.u8_at(is_version1 ? kFlags1 : kFlags2) & kHoldsReferences;
    descr.subarray = view.u64_at(is_version1 ? kSubarray1 : kSubarray2);
    descr.fields = view.u64_at(is_version1 ? kFields1 : kFields2);
    return descr;
}

void find_object_places(HeapReader &reader, u64 address, u64 offset, int depth,
                        std::vector<u64> &places) {
    MemoryImage &memory = reader.memory();
    const Layout &layout = reader.layout();
    // A builtin dtype's struct may end before its last fields; then nothing but a number is asked
    // for.
    const View head = memory.view_up_to(address, kDescrSize);
    const Descr descr = read_descr(head);
    if (places.size() > kMaxPlaces || depth > kMaxNesting) return;
    if (descr.number == kObjectType) return places.push_back(offset);
    if (descr.number != kVoidType || !descr.holds_references) return;
    if (descr.subarray != 0) {  // PyArray_ArrayDescr: {base, shape}
        const u64 base = memory.u64_at(descr.subarray);
        const u64 size = read_descr(memory.view_up_to(base, kDescrSize)).size;
        for (u64 at = 0; size != 0 && at + size <= descr.size && places.size() <= kMaxPlaces;
             at += size) {
            find_object_places(reader, base, offset + at, depth + 1, places);
        }
        return;
    }
    const DictTable fields =
        dict_table(reader, descr.fields);  // name -> (dtype, offset) or (dtype, offset, title)
    std::vector<u64> seen;                 // a title is a second key of the same field
    for (u64 i = 0; fields.entries && i < std::min(fields.keys.count, kMaxPlaces); ++i) {
        const u64 field =
            memory.u64_at(fields.entries + i * fields.keys.stride + fields.keys.value_offset);
        if (field == 0) continue;
        const View number =
            memory.view(memory.u64_at(field + layout.tuple_item + 8), layout.long_size);
        const u64 place = number.u32_at(layout.long_digit);
        bool repeated = false;
        for (const u64 other : seen) repeated |= other == place;
        seen.push_back(place);
        const u64 dtype = memory.u64_at(field + layout.tuple_item);
        if (!repeated) find_object_places(reader, dtype, offset + place, depth + 1, places);
    }
}

// Byte offsets of the references in one element of a dtype.
const std::vector<u64> &object_places(HeapReader &reader, u64 descr) {
    const auto [entry, is_new] = reader.learned().object_places.try_emplace(descr);
    if (is_new) find_object_places(reader, descr, 0, 0, entry->second);
    return entry->second;
}

// Where the elements of an array lie.
struct Shape {
    i64 dimensions = 0;
    View lengths, strides;  // a word for each dimension
    u64 element_size = 0;
    u64 count = 1;
    i64 lowest = 0;        // bytes from the first element to the one at the lowest address
    u64 size = 0;          // of all, in bytes
    bool in_order = true;  // one after the other, in C order

    i64 length(i64 axis) const { return lengths.u64_at(axis * 8); }
    i64 stride(i64 axis) const { return strides.u64_at(axis * 8); }
};

// False when it is none that memory could have.
bool read_shape(MemoryImage &memory, const Layout &layout, View array, Shape &shape) {
    shape.dimensions = array.read<i32>(layout.ndarray_nd);
    if (shape.dimensions < 0 || shape.dimensions > kMaxDimensions) return false;
    shape.lengths = memory.view(array.u64_at(layout.ndarray_dimensions), shape.dimensions * 8);
    shape.strides = memory.view(array.u64_at(layout.ndarray_strides), shape.dimensions * 8);
    shape.element_size =
        read_descr(memory.view_up_to(array.u64_at(layout.ndarray_descr), kDescrSize)).size;
    i64 highest = 0, dense = shape.element_size;  // strides in C order
    for (i64 axis = shape.dimensions - 1; axis >= 0; --axis) {
        const i64 length = shape.length(axis), stride = shape.stride(axis);
        i64 extent;
        if (length <= 0 || length > kMaxElements ||
            __builtin_mul_overflow(length - 1, stride, &extent))
            return false;
        if (extent < -kMaxBytes || extent > kMaxBytes ||
            (shape.count *= length) > u64(kMaxElements))
            return false;
        (stride < 0 ? shape.lowest : highest) += extent;
        shape.in_order &= length == 1 || stride == dense;
        if (__builtin_mul_overflow(dense, length, &dense)) return false;
    }
    shape.size = highest - shape.lowest + shape.element_size;
    // Elements that share their place belong to nobody.
    return shape.element_size != 0 && shape.element_size <= u64(kMaxBytes) &&
           shape.count <= shape.size;
}

// In C order, whatever the strides.
void add_strided(MemoryImage &memory, u64 first, const Shape &shape, const std::vector<u64> &places,
                 EdgeList &out) {
    i64 at[kMaxDimensions] = {};
    u64 element = first;
    for (u64 i = 0; i < shape.count; ++i) {
        for (const u64 place : places)
            out.add(memory.u64_at(element + place), EdgeKind::kIndex, i, kCounted);
        for (i64 axis = shape.dimensions - 1; axis >= 0; --axis) {
            element += shape.stride(axis);
            if (++at[axis] < shape.length(axis)) break;
            element -= shape.stride(axis) * shape.length(axis);
            at[axis] = 0;
        }
    }
}

// Elements of an array that owns its data. Views hold their base, which holds the elements.
void ndarray_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    MemoryImage &memory = reader.memory();
    const Layout &layout = reader.layout();
    const View view = reader.body(object, type);
    if (!(view.read<i32>(layout.ndarray_flags) & kOwnsData)) return;
    const std::vector<u64> &places = object_places(reader, view.u64_at(layout.ndarray_descr));
    Shape shape;
    if (places.empty() || !read_shape(memory, layout, view, shape)) return;
    const u64 first = view.u64_at(layout.ndarray_data), step = shape.element_size;
    if (!memory.covers(first + shape.lowest, shape.size)) return;
    if (!shape.in_order) {
        if (!reader.may_read(object, first + shape.lowest, shape.size) ||
            !reader.afford(shape.size))
            return;
        return add_strided(memory, first, shape, places, out);
    }
    reader.each_part(object, first, shape.size, step, [&](View data, u64 offset) {
        for (u64 at = 0; at < data.size(); at += step) {
            for (const u64 place : places) {
                out.add(data.u64_at(at + place), EdgeKind::kIndex, (offset + at) / step, kCounted);
            }
        }
    });
}

u64 ndarray_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    MemoryImage &memory = reader.memory();
    const Layout &layout = reader.layout();
    const u64 dimensions = view.read<i32>(layout.ndarray_nd);
    u64 size = type.basicsize;
    if (dimensions > kMaxDimensions) return size;
    size += dimensions * 16;
    if (!(view.read<i32>(layout.ndarray_flags) & kOwnsData)) return size;
    u64 bytes = read_descr(memory.view_up_to(view.u64_at(layout.ndarray_descr), kDescrSize)).size;
    const View shape = memory.view(view.u64_at(layout.ndarray_dimensions), dimensions * 8);
    for (u64 i = 0; i < dimensions; ++i) bytes *= shape.u64_at(i * 8);
    return size + bytes;
}

}  // namespace

extern const TypeReader ndarray_reader{
    .name = "ndarray", .references = ndarray_references, .getsizeof_ = ndarray_bytes};

}  // namespace heapgraph
