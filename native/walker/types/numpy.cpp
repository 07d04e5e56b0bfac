// Arrays of numpy 1.x and 2.x (numpy/_core/include/numpy/ndarraytypes.h). Their elements are no items of
// the collector's: an array has no traverse function.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kMaxDimensions = 64;
constexpr i32 kOwnsData = 4;       // NPY_ARRAY_OWNDATA
constexpr i64 kMaxElements = 1ll << 31;  // so that the product of two is no overflow
constexpr i64 kMaxBytes = 1ll << 47;

// PyArray_Descr. Version 2 has 64-bit flags where version 1 has element size and alignment.
constexpr i64 kTypeNumber = 28;
constexpr i32 kObjectType = 17;    // NPY_OBJECT
constexpr i32 kVoidType = 20;      // NPY_VOID: records and sub-arrays
constexpr i64 kFlags1 = 27, kElementSize1 = 32, kSubarray1 = 40, kFields1 = 48;
constexpr i64 kFlags2 = 32, kElementSize2 = 40, kSubarray2 = 88, kFields2 = 96;
constexpr u64 kDescrSize = 104;
constexpr u8 kHoldsReferences = 1; // NPY_ITEM_REFCOUNT
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
  // In version 2 this word holds flags, all of them in its lower half; version 1 keeps the alignment,
  // at least 1, in the upper half.
  const bool is_version1 = size1 >= 0 && view.word(kElementSize1) >> 32 != 0;
  descr.size = is_version1 ? size1 : view.word(kElementSize2);
  descr.holds_references = view.byte(is_version1 ? kFlags1 : kFlags2) & kHoldsReferences;
  descr.subarray = view.word(is_version1 ? kSubarray1 : kSubarray2);
  descr.fields = view.word(is_version1 ? kFields1 : kFields2);
  return descr;
}

}  // namespace

// Byte offsets of the references in one element of a dtype.
const std::vector<u64>& HeapReader::object_places(u64 descr) {
  const auto [entry, is_new] = object_places_.try_emplace(descr);
  if (is_new) find_object_places(descr, 0, 0, entry->second);
  return entry->second;
}

void HeapReader::find_object_places(u64 address, u64 offset, int depth, std::vector<u64>& places) {
  // A builtin dtype's struct may end before its last fields; then nothing but a number is asked for.
  const View head = memory_.view_up_to(address, kDescrSize);
  const Descr descr = read_descr(head);
  if (places.size() > kMaxPlaces || depth > kMaxNesting) return;
  if (descr.number == kObjectType) return places.push_back(offset);
  if (descr.number != kVoidType || !descr.holds_references) return;
  if (descr.subarray != 0) {  // PyArray_ArrayDescr: {base, shape}
    const u64 base = memory_.word(descr.subarray);
    const u64 size = read_descr(memory_.view_up_to(base, kDescrSize)).size;
    for (u64 at = 0; size != 0 && at + size <= descr.size && places.size() <= kMaxPlaces; at += size) {
      find_object_places(base, offset + at, depth + 1, places);
    }
    return;
  }
  const DictTable fields = dict_table(descr.fields);  // name -> (dtype, offset) or (dtype, offset, title)
  std::vector<u64> seen;                              // a title is a second key of the same field
  for (u64 i = 0; fields.entries && i < std::min(fields.count, kMaxPlaces); ++i) {
    const u64 field = memory_.word(fields.entries + i * fields.stride + fields.value_offset);
    if (field == 0) continue;
    const u64 place = memory_.view(memory_.word(field + layout_.tuple_item + 8), layout_.long_size).half(layout_.long_digit);
    bool repeated = false;
    for (const u64 other : seen) repeated |= other == place;
    seen.push_back(place);
    if (!repeated) find_object_places(memory_.word(field + layout_.tuple_item), offset + place, depth + 1, places);
  }
}

// Elements of an array that owns its data, in C order, whatever its strides. Views hold their base, which
// holds the elements.
void HeapReader::ndarray(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  if (!(view.read<i32>(layout_.ndarray_flags) & kOwnsData)) return;
  const std::vector<u64>& places = object_places(view.word(layout_.ndarray_descr));
  const i64 dimensions = view.read<i32>(layout_.ndarray_nd);
  if (places.empty() || dimensions < 0 || dimensions > kMaxDimensions) return;
  const View shape = memory_.view(view.word(layout_.ndarray_dimensions), dimensions * 8);
  const View strides = memory_.view(view.word(layout_.ndarray_strides), dimensions * 8);
  const u64 element_size = read_descr(memory_.view_up_to(view.word(layout_.ndarray_descr), kDescrSize)).size;
  u64 count = 1;
  i64 lowest = 0, highest = 0, dense = element_size;  // bytes from the first element; strides in C order
  bool in_order = true;
  for (i64 axis = dimensions - 1; axis >= 0; --axis) {
    const i64 length = shape.word(axis * 8), stride = strides.word(axis * 8);
    i64 extent;
    if (length <= 0 || length > kMaxElements || __builtin_mul_overflow(length - 1, stride, &extent)) return;
    if (extent < -kMaxBytes || extent > kMaxBytes || (count *= length) > u64(kMaxElements)) return;
    (stride < 0 ? lowest : highest) += extent;
    in_order &= length == 1 || stride == dense;
    if (__builtin_mul_overflow(dense, length, &dense)) return;
  }
  const u64 first = view.word(layout_.ndarray_data), size = highest - lowest + element_size;
  // Elements that share their place belong to nobody.
  if (element_size == 0 || element_size > u64(kMaxBytes) || count > size || !memory_.covers(first + lowest, size)) return;
  if (in_order) {
    return each_part(object, first, size, element_size, [&](View data, u64 offset) {
      for (u64 at = 0; at < data.size(); at += element_size) {
        for (const u64 place : places) {
          out.add(data.word(at + place), EdgeKind::kIndex, (offset + at) / element_size, kCounted);
        }
      }
    });
  }
  if (!may_read(object, first + lowest, size) || !afford(size)) return;
  i64 at[kMaxDimensions] = {};
  u64 element = first;
  for (u64 i = 0; i < count; ++i) {
    for (const u64 place : places) out.add(memory_.word(element + place), EdgeKind::kIndex, i, kCounted);
    for (i64 axis = dimensions - 1; axis >= 0; --axis) {
      const i64 length = shape.word(axis * 8), stride = strides.word(axis * 8);
      element += stride;
      if (++at[axis] < length) break;
      element -= stride * length;
      at[axis] = 0;
    }
  }
}

u64 HeapReader::ndarray_bytes(u64, const TypeInfo& type, View view) {
  const u64 dimensions = view.half(layout_.ndarray_nd);
  u64 size = type.basicsize;
  if (dimensions > kMaxDimensions) return size;
  size += dimensions * 16;
  if (!(view.read<i32>(layout_.ndarray_flags) & kOwnsData)) return size;
  u64 bytes = read_descr(memory_.view_up_to(view.word(layout_.ndarray_descr), kDescrSize)).size;
  const View shape = memory_.view(view.word(layout_.ndarray_dimensions), dimensions * 8);
  for (u64 i = 0; i < dimensions; ++i) bytes *= shape.word(i * 8);
  return size + bytes;
}

}  // namespace heapgraph
