// Sizes: what sys.getsizeof says, and what was really asked of the allocators.
#include "heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kGcHead = 16;
constexpr u64 kMaxSize = 1ull << 46;  // a larger size is a damaged header
constexpr u64 kDequeBlock = 528;
constexpr u64 kOdictNode = 32;
constexpr i64 kArrayAllocated = 32;    // arrayobject.allocated
constexpr i64 kArrayDescr = 40;        // arrayobject.ob_descr
constexpr i64 kArrayItemsize = 4;      // arraydescr.itemsize
constexpr i64 kNumpyElementSize = 32;  // PyArray_Descr.elsize in numpy 1.x
constexpr i64 kNumpyElementSize2 = 40; // and in numpy 2.x, where it is 8 bytes wide
constexpr i32 kNumpyOwnsData = 4;
constexpr i64 kBufferedBuffer = 56;    // `buffered` of Modules/_io/bufferedio.c
constexpr i64 kBufferedBufferSize = 120;
constexpr i64 kStructCodes = 32;       // PyStructObject.s_codes of Modules/_struct.c
constexpr u64 kStructCode = 32;        // sizeof(formatcode)
constexpr u64 kMaxStructCodes = 1 << 16;

u64 up8(u64 size) { return (size + 7) & ~u64{7}; }

}  // namespace

// ob_size without its sign; ints count digits in a tagged word since 3.12, see below.
u64 HeapReader::item_count(View view) {
  const i64 size = view.signed_word(layout_.var_size);
  const View type = memory_.view(view.word(layout_.type), layout_.tp_size);
  if (type.word(layout_.tp_flags) & type_flag::kLong && layout_.at_least(12)) return static_cast<u64>(size) >> 3;
  return size < 0 ? -size : size;
}

u64 HeapReader::key_table_bytes(u64 address) {
  const View keys = memory_.view(address, layout_.dk_indices);
  if (!keys) return 0;
  if (present(layout_.dk_log2_size)) {
    const u64 size = 1ull << (keys.byte(layout_.dk_log2_size) & 63);
    const u64 usable = (size << 1) / 3;
    const u64 entry = keys.byte(layout_.dk_kind) == 0 ? 24 : 16;
    return layout_.dk_indices + (1ull << (keys.byte(layout_.dk_log2_index_bytes) & 63)) + usable * entry;
  }
  const u64 size = keys.word(layout_.dk_size);
  const u64 width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffffull ? 4 : 8;
  return layout_.dk_indices + size * width + (size << 1) / 3 * 24;
}

u64 HeapReader::str_bytes(View view, const TypeInfo& type) {
  const u32 state = view.half(layout_.uni_state);
  const u64 length = view.word(layout_.uni_length);
  const u64 width = state >> 2 & 7;
  const bool compact = state & 32, ascii = state & 64;
  if (compact && ascii) return layout_.uni_ascii_size + length + 1;
  u64 size = compact ? layout_.uni_compact_size + (length + 1) * width
                     : layout_.uni_size + (view.word(layout_.uni_data) ? (length + 1) * width : 0);
  const u64 utf8 = view.word(layout_.uni_utf8);
  if (utf8 != 0 && !(!compact && utf8 == view.word(layout_.uni_data))) {
    size += view.word(layout_.uni_utf8_length) + 1;
  }
  (void)type;
  return size;
}

u64 HeapReader::type_bytes(u64 object) {
  const View view = memory_.view(object, layout_.tp_size);
  if (!(view.word(layout_.tp_flags) & type_flag::kHeapType)) return layout_.tp_size;
  const u64 keys = memory_.word(object + layout_.ht_cached_keys);
  return layout_.ht_size + (keys ? key_table_bytes(keys) : 0);
}

u64 HeapReader::code_bytes(View view, const TypeInfo& type) {
  u64 size = type.basicsize;
  if (layout_.at_least(11)) {
    size = up8(layout_.code_adaptive + view.word(layout_.var_size) * 2);
  } else if (view.word(layout_.code_cell2arg)) {
    size += memory_.word(view.word(layout_.code_cellvars) + layout_.var_size) * 8;
  }
  if (const u64 extra = view.word(layout_.code_extra)) size += 16 + memory_.word(extra) * 8;
  return size;
}

u64 HeapReader::generator_bytes(View view, const TypeInfo& type) {
  if (!present(layout_.gen_iframe)) return type.basicsize;
  u64 code = view.word(layout_.gen_iframe + layout_.if_code);
  if (layout_.at_least(14)) code &= ~u64{3};
  const View code_view = memory_.view(code, layout_.code_size);
  const u64 slots = code_view.half(layout_.code_nlocalsplus) + code_view.half(layout_.code_stacksize);
  return layout_.gen_iframe + layout_.if_localsplus + slots * 8;
}

u64 HeapReader::old_frame_bytes(View view) {
  const View code = memory_.view(view.word(layout_.frame_code), layout_.code_size);
  u64 slots = code.half(layout_.code_nlocals) + code.half(layout_.code_stacksize);
  for (const i64 field : {layout_.code_cellvars, layout_.code_freevars}) {
    slots += memory_.word(code.word(field) + layout_.var_size);
  }
  return layout_.frame_localsplus + slots * 8;
}

// Attribute values that lie with the instance or in a block of their own; no getsizeof counts them.
u64 HeapReader::inline_values_bytes(u64 object, const TypeInfo& type) {
  if (!layout_.at_least(11) || !(type.flags & type_flag::kManagedDict)) return 0;
  const u64 count = type.shared_keys.size();
  if (layout_.at_least(13)) {
    if (!(type.flags & type_flag::kInlineValues)) return 0;
    const u64 capacity = memory_.view(object + type.basicsize, 8).byte(layout_.dv_capacity);
    return up8(layout_.dv_values + capacity * 8 + capacity);  // one byte each for the insertion order
  }
  const u64 word = layout_.at_least(12) ? memory_.word(object - 24) : memory_.word(object - 32);
  const bool separate = layout_.at_least(12) ? word & 1 : word != 0;
  return separate ? count * 8 + up8(count + 2) : 0;
}

// The builtin part of getsizeof, without GC head; buffers that __sizeof__ counts are in it.
u64 HeapReader::buffer_bytes(u64 object, const TypeInfo& type, View view) {
  const u64 generic = type.basicsize + (type.itemsize ? type.itemsize * item_count(view) : 0);
  switch (type.handler) {
    case Handler::kInt: {
      const u64 digits = item_count(view);
      if (layout_.at_least(12)) return type.basicsize + (digits ? digits : 1) * 4;
      return layout_.long_digit + digits * 4;
    }
    case Handler::kStr: return str_bytes(view, type);
    case Handler::kList: return type.basicsize + view.word(layout_.list_allocated) * 8;
    case Handler::kSet: {
      const bool small = view.word(layout_.set_table) == object + layout_.set_smalltable;
      return type.basicsize + (small ? 0 : (view.word(layout_.set_mask) + 1) * layout_.set_entry_size);
    }
    case Handler::kDict:
    case Handler::kOrderedDict: {
      const DictTable table = dict_table(object);
      u64 size = type.basicsize;
      const View keys = memory_.view(view.word(layout_.dict_keys), layout_.dk_indices);
      if (table.is_split) {
        size += 8 * (layout_.at_least(11) ? keys.word(layout_.dk_nentries) + keys.word(layout_.dk_usable)
                                          : (keys.word(layout_.dk_size) << 1) / 3);
      }
      if (table.refcount == 1) size += table.table_bytes;
      if (type.handler == Handler::kOrderedDict) {
        const u64 slots = present(layout_.dk_log2_size) ? 1ull << (keys.byte(layout_.dk_log2_size) & 63)
                                                        : keys.word(layout_.dk_size);
        size += slots * 8;
        if (table.entries) size += view.word(layout_.var_size) * kOdictNode;
      }
      return size;
    }
    case Handler::kType: return type_bytes(object);
    case Handler::kCode: return code_bytes(view, type);
    case Handler::kGenerator: return generator_bytes(view, type);
    case Handler::kFrame:
      if (!present(layout_.if_size)) return old_frame_bytes(view);
      {
        const u64 code = view.word(layout_.frame_data + layout_.if_code) & ~u64{layout_.at_least(14) ? 3u : 0u};
        const View code_view = memory_.view(code, layout_.code_size);
        const u64 slots = code_view.half(layout_.code_nlocalsplus) + code_view.half(layout_.code_stacksize);
        return layout_.frame_data + layout_.if_localsplus + slots * 8;
      }
    case Handler::kDeque: {
      const u64 count = view.word(layout_.deque_len);
      const u64 blocks = (view.word(layout_.deque_leftindex) + count + layout_.deque_block_slots - 1) /
                         layout_.deque_block_slots;
      return type.basicsize + (blocks ? blocks : 1) * kDequeBlock;
    }
    case Handler::kBytearray: return type.basicsize + view.word(layout_.bytearray_alloc);
    case Handler::kArray: {
      const u64 width = memory_.view(view.word(kArrayDescr), 8).read<i32>(kArrayItemsize);
      return type.basicsize + view.word(kArrayAllocated) * width;
    }
    case Handler::kNdarray: {
      u64 size = type.basicsize;
      const u64 dimensions = view.half(layout_.ndarray_nd);
      if (dimensions > 64) return size;
      size += dimensions * 16;
      if (!(view.read<i32>(layout_.ndarray_flags) & kNumpyOwnsData)) return size;
      const u64 descr = view.word(layout_.ndarray_descr);
      const View d = memory_.view(descr, kNumpyElementSize2 + 8);
      // numpy 2 moved the element size; the old place then holds the descriptor's flags, above 32 bits.
      u64 bytes = d.read<i32>(kNumpyElementSize) > 0 && d.word(kNumpyElementSize) >> 32 != 0
                      ? d.read<i32>(kNumpyElementSize) : d.word(kNumpyElementSize2);
      const View shape = memory_.view(view.word(layout_.ndarray_dimensions), dimensions * 8);
      for (u64 i = 0; i < dimensions; ++i) bytes *= shape.word(i * 8);
      return size + bytes;
    }
    case Handler::kBuffered:
      return type.basicsize + (view.word(kBufferedBuffer) ? view.word(kBufferedBufferSize) : 0);
    case Handler::kStruct: {
      u64 codes = 1;  // the end mark is one of them
      const u64 first = view.word(kStructCodes);
      while (codes < kMaxStructCodes && memory_.word(first + (codes - 1) * kStructCode) != 0) ++codes;
      return type.basicsize + codes * kStructCode;
    }
    default: return generic;
  }
}

Sizes HeapReader::sizes(u64 object, const TypeInfo& type) {
  const View view = memory_.view(object, type.basicsize);
  Sizes result;
  u64 bytes = buffer_bytes(object, type, view);
  if (bytes > kMaxSize) bytes = type.basicsize;
  bool gc_head = type.is_gc;
  if (type.handler == Handler::kType) {
    const bool heap = memory_.view(object, layout_.tp_size).word(layout_.tp_flags) & type_flag::kHeapType;
    gc_head = heap || (layout_.at_least(11) && !layout_.at_least(13));
  }
  result.getsizeof = bytes + (gc_head ? kGcHead : 0) + type.preheader;
  result.shallow = result.getsizeof + inline_values_bytes(object, type);
  if (type.handler == Handler::kInt && layout_.at_least(10) && bytes < u64(layout_.long_size)) {
    result.shallow += layout_.long_size - bytes;  // one digit is padded to the struct's size
  }
  return result;
}

}  // namespace heapgraph
