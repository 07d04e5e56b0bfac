// Shallow size: the bytes asked of the allocators for an object and the buffers it owns, which is what
// tracemalloc would see freed. It starts from getsizeof and corrects what that leaves out.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kGcHead = 16;
constexpr i64 kTypeDoc = 176;     // PyTypeObject.tp_doc, the same in every version
constexpr u64 kMaxDoc = 1 << 20;
constexpr i64 kHasTimezone = 24;  // PyDateTime_DateTime, PyDateTime_Time

u64 up8(u64 size) { return (size + 7) & ~u64{7}; }

}  // namespace

// Attribute values that lie with the instance or in a block of their own.
u64 HeapReader::inline_values_bytes(u64 object, const TypeInfo& type) {
  if (!layout_.at_least(11) || !(type.flags & type_flag::kManagedDict)) return 0;
  if (layout_.at_least(13)) {
    if (!(type.flags & type_flag::kInlineValues)) return 0;
    const u64 capacity = memory_.view(object + type.basicsize, 8).byte(layout_.dv_capacity);
    return up8(layout_.dv_values + capacity * 8 + capacity);  // one byte each for the insertion order
  }
  const u64 word = layout_.at_least(12) ? memory_.word(object - 24) : memory_.word(object - 32);
  const bool separate = layout_.at_least(12) ? word & 1 : word != 0;
  if (!separate) return 0;
  const u64 capacity = type.shared_capacity;  // before the values: their order, and two lengths
  return capacity * 8 + up8(capacity + 2);
}

// A class and its member table; key table and doc string are blocks of their own.
u64 HeapReader::heap_type_bytes(u64 object, const TypeInfo& type, View view) {
  const View itself = memory_.view(object, layout_.tp_size);
  u64 size = kGcHead + up8(type.basicsize + (item_count(view) + 1) * type.itemsize);
  if (const u64 keys = memory_.word(object + layout_.ht_cached_keys)) size += key_table_bytes(keys);
  const u64 doc = itself.word(kTypeDoc);
  if (doc != 0) {
    const View text = memory_.view_up_to(doc, kMaxDoc);
    u64 length = 0;
    while (length < text.size() && text.byte(length) != 0) ++length;
    size += length + 1;
  }
  return size;
}

u64 HeapReader::footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes) {
  const u64 size = getsizeof_bytes + inline_values_bytes(object, type) + buffers_bytes(object, type, view, false) +
                   blocks_bytes(object, type);
  return (this->*type.reader->footprint)(object, type, view, getsizeof_bytes, size);
}

// The generic allocator of Python classes adds one item, an end mark.
u64 HeapReader::plain_footprint(u64, const TypeInfo& type, View view, u64, u64 size) {
  if (!type.is_python_class || type.itemsize == 0) return size;
  const u64 items = item_count(view);
  return size + up8(type.basicsize + (items + 1) * type.itemsize) - (type.basicsize + items * type.itemsize);
}

u64 HeapReader::class_footprint(u64 object, const TypeInfo& type, View view, u64, u64 size) {
  if (memory_.view(object, layout_.tp_size).word(layout_.tp_flags) & type_flag::kHeapType) {
    return heap_type_bytes(object, type, view) + ctype_extra_bytes(object, type);
  }
  return size;
}

u64 HeapReader::int_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size) {
  if (!type.is_python_class) {  // one digit is padded to the struct's size since 3.11
    return layout_.at_least(11) && getsizeof_bytes < u64(layout_.long_size) ? layout_.long_size : size;
  }
  if (type.itemsize == 0) return size;
  u64 items = item_count(view);
  if (items == 0) items = 1;
  return (type.is_gc ? kGcHead : 0) + type.preheader + inline_values_bytes(object, type) +
         up8(type.basicsize + (items + 1) * type.itemsize);
}

u64 HeapReader::str_footprint(u64, const TypeInfo& type, View view, u64, u64 size) {
  const bool apart = !(view.half(layout_.uni_state) & 32);  // a subclass: its own struct comes first
  return apart ? size + type.basicsize - layout_.uni_size : size;
}

u64 HeapReader::stg_dict_footprint(u64, const TypeInfo& type, View, u64, u64 size) {
  return size - (type.basicsize - layout_.dict_size);  // counted twice in getsizeof
}

u64 HeapReader::dict_footprint(u64 object, const TypeInfo&, View, u64, u64 size) {
  const DictTable table = dict_table(object);
  if (!table.is_split) return size;
  const View keys = memory_.view(table.keys, layout_.dk_indices);
  const u64 capacity = keys.word(layout_.dk_nentries) + keys.word(layout_.dk_usable);
  if (table.values_embedded) return size - capacity * 8;  // they are part of the instance
  return layout_.at_least(11) ? size + up8(capacity + 2) : size;
}

// 3.15: the buffer is an object of its own.
u64 HeapReader::bytearray_footprint(u64, const TypeInfo& type, View, u64, u64 size) {
  return present(layout_.bytearray_object) ? (type.is_gc ? kGcHead : 0) + type.basicsize : size;
}

u64 HeapReader::datetime_footprint(u64, const TypeInfo& type, View view, u64, u64 size) {
  return !type.is_python_class && view.byte(kHasTimezone) == 0 ? size - 8 : size;
}

u64 HeapReader::code_footprint(u64, const TypeInfo&, View view, u64, u64 size) {
  return present(layout_.code_cached) && view.word(layout_.code_cached) ? size + 32 : size;
}

}  // namespace heapgraph
