// Sizes as sys.getsizeof says them: each type has its own idea of what belongs to an object.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kGcHead = 16;
constexpr u64 kMaxSize = 1ull << 46;  // a larger size is a damaged header
constexpr u64 kDequeBlock = 528;
constexpr u64 kOdictNode = 32;
constexpr i64 kOdictFastNodesSize = 8;  // od_fast_nodes_size, behind od_fast_nodes (Objects/odictobject.c)

// PyCodeObject of 3.8 to 3.10, behind co_extra (Include/cpython/code.h); an entry is a _PyOpcache
constexpr i64 kOpcodeCacheMap = 8, kOpcodeCacheSize = 28;
constexpr u64 kOpcodeCacheEntry = 32;

u64 up8(u64 size) { return (size + 7) & ~u64{7}; }

}  // namespace

// ob_size without its sign; ints count digits in a tagged word since 3.12, see below.
u64 HeapReader::item_count(View view) {
  const i64 size = view.signed_word(layout_.var_size);
  const View type = memory_.view(view.word(layout_.type), layout_.tp_size);
  if (type.word(layout_.tp_flags) & type_flag::kLong && layout_.at_least(12)) return static_cast<u64>(size) >> 3;
  return size < 0 ? -static_cast<u64>(size) : size;
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

u64 HeapReader::str_bytes(u64, const TypeInfo& type, View view) {
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

u64 HeapReader::type_bytes(u64 object, const TypeInfo&, View) {
  const View view = memory_.view(object, layout_.tp_size);
  if (!(view.word(layout_.tp_flags) & type_flag::kHeapType)) return layout_.tp_size;
  const u64 keys = memory_.word(object + layout_.ht_cached_keys);
  return layout_.ht_size + (keys ? key_table_bytes(keys) : 0);
}

u64 HeapReader::code_bytes(u64, const TypeInfo& type, View view) {
  u64 size = type.basicsize;
  if (layout_.at_least(11)) {
    size = up8(layout_.code_adaptive + view.word(layout_.var_size) * 2);
  } else {
    if (view.word(layout_.code_cell2arg)) size += memory_.word(view.word(layout_.code_cellvars) + layout_.var_size) * 8;
    if (view.word(layout_.code_extra + kOpcodeCacheMap)) {  // made when the code has run often
      size += memory_.word(view.word(layout_.code_code) + layout_.var_size) / 2;
      size += view.byte(layout_.code_extra + kOpcodeCacheSize) * kOpcodeCacheEntry;
    }
  }
  if (const u64 extra = view.word(layout_.code_extra)) size += 16 + memory_.word(extra) * 8;
  return size;
}

u64 HeapReader::generator_bytes(u64, const TypeInfo& type, View view) {
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

u64 HeapReader::table_bytes(const DictTable& table, const TypeInfo& type, View view) {
  const View keys = memory_.view(view.word(layout_.dict_keys), layout_.dk_indices);
  u64 size = type.basicsize;
  if (table.is_split) {
    size += 8 * (layout_.at_least(11) ? keys.word(layout_.dk_nentries) + keys.word(layout_.dk_usable)
                                      : (keys.word(layout_.dk_size) << 1) / 3);
  }
  if (table.refcount == 1) size += table.table_bytes;
  return size;
}

u64 HeapReader::dict_bytes(u64 object, const TypeInfo& type, View view) {
  return table_bytes(dict_table(object), type, view);
}

u64 HeapReader::ordered_dict_bytes(u64 object, const TypeInfo& type, View view) {
  const DictTable table = dict_table(object);
  const u64 size = table_bytes(table, type, view);
  const u64 nodes = memory_.word(object + layout_.dict_size + layout_.odict_fast_nodes + kOdictFastNodesSize);
  return size + nodes * 8 + (table.entries ? view.word(layout_.var_size) * kOdictNode : 0);
}

u64 HeapReader::frame_bytes(u64, const TypeInfo&, View view) {
  if (!present(layout_.if_size)) return old_frame_bytes(view);
  // Not the place in the frame object: that is filled in only when the function has left.
  u64 code = memory_.word(view.word(layout_.frame_iframe) + layout_.if_code);
  if (layout_.at_least(14)) code &= ~u64{3};
  const View code_view = memory_.view(code, layout_.code_size);
  const u64 slots = code_view.half(layout_.code_nlocalsplus) + code_view.half(layout_.code_stacksize);
  return layout_.frame_data + layout_.if_localsplus + slots * 8;
}

// Buffers of the type's rule; which of them a type's __sizeof__ counts is part of the rule.
u64 HeapReader::buffers_bytes(u64 object, const TypeInfo& type, View view, bool in_getsizeof) {
  u64 size = 0;
  for (const BufferRule& buffer : type.buffers) {
    if (buffer.in_getsizeof != in_getsizeof) continue;
    const u64 address = view.word(buffer.pointer);
    if (address == 0 || address - object < u64(type.basicsize)) continue;
    if (present(buffer.flag) && view.byte(buffer.flag) == 0) continue;
    u64 count = 1;
    if (buffer.how == BufferCount::kWord) count = view.word(buffer.count);
    if (buffer.how == BufferCount::kTuple) count = memory_.word(view.word(buffer.count) + layout_.var_size);
    if (count < kMaxSize / 64) size += count * buffer.item_size;
  }
  return size;
}

u64 HeapReader::item_bytes(u64, const TypeInfo& type, View view) {
  return type.basicsize + (type.itemsize ? type.itemsize * item_count(view) : 0);
}

// The builtin parts of getsizeof, without GC head.
u64 HeapReader::int_bytes(u64, const TypeInfo& type, View view) {
  const u64 digits = item_count(view);
  // One digit is there even for zero; getsizeof says so since 3.11.
  const u64 counted = digits == 0 && layout_.at_least(11) ? 1 : digits;
  return (layout_.at_least(12) ? type.basicsize : layout_.long_digit) + counted * 4;
}

u64 HeapReader::list_bytes(u64, const TypeInfo& type, View view) {
  return type.basicsize + view.word(layout_.list_allocated) * 8;
}

u64 HeapReader::set_bytes(u64 object, const TypeInfo& type, View view) {
  const bool small = view.word(layout_.set_table) == object + layout_.set_smalltable;
  return type.basicsize + (small ? 0 : (view.word(layout_.set_mask) + 1) * layout_.set_entry_size);
}

u64 HeapReader::deque_bytes(u64, const TypeInfo& type, View view) {
  const u64 used = view.word(layout_.deque_leftindex) + view.word(layout_.deque_len);
  const u64 blocks = (used + layout_.deque_block_slots - 1) / layout_.deque_block_slots;
  return type.basicsize + (blocks ? blocks : 1) * kDequeBlock;
}

u64 HeapReader::bytearray_bytes(u64, const TypeInfo& type, View view) {
  const u64 bytes = view.word(layout_.bytearray_alloc);
  const bool in_bytes_object = present(layout_.bytearray_object) && bytes != 0;  // 3.15
  return type.basicsize + bytes + (in_bytes_object ? layout_.bytes_sval + 1 : 0);
}

Sizes HeapReader::sizes(u64 object, const TypeInfo& type) {
  const View view = memory_.view_up_to(object, type.basicsize);  // a short string has less
  u64 bytes = (this->*type.reader->getsizeof_)(object, type, view) + buffers_bytes(object, type, view, true);
  if (bytes > kMaxSize) bytes = type.basicsize;
  bool gc_head = type.is_gc;
  if (type.reader->describes_types) {
    const bool heap = memory_.view(object, layout_.tp_size).word(layout_.tp_flags) & type_flag::kHeapType;
    gc_head = heap || (layout_.at_least(11) && !layout_.at_least(13));
  }
  Sizes result;
  result.getsizeof = bytes + (gc_head ? kGcHead : 0) + type.preheader;
  result.shallow = footprint(object, type, view, result.getsizeof);
  if (result.shallow > kMaxSize) result.shallow = result.getsizeof;
  return result;
}

// Types carry a GC head only when they are heap types: tp_is_gc of `type` says so.
bool HeapReader::has_gc_head(u64 object, const TypeInfo& type) {
  if (!type.is_gc || !type.reader->describes_types) return type.is_gc;
  return memory_.view(object, layout_.tp_size).word(layout_.tp_flags) & type_flag::kHeapType;
}

i64 HeapReader::basic_least(u64, const TypeInfo& type) { return type.basicsize; }

// Compact ASCII strings.
i64 HeapReader::str_least(u64, const TypeInfo&) { return layout_.uni_ascii_size; }

// Static types lack what the struct of a heap type has.
i64 HeapReader::type_least(u64 object, const TypeInfo& type) {
  return has_gc_head(object, type) ? type.basicsize : layout_.tp_size;
}

// Naive datetimes.
i64 HeapReader::datetime_least(u64, const TypeInfo& type) {
  return type.is_python_class ? type.basicsize : type.basicsize - 8;
}

}  // namespace heapgraph
