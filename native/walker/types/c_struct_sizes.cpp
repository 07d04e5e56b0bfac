// Sizes of C modules' types that own memory which no rule of type_rules.py describes.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxText = 1 << 20;

// arrayobject of Modules/arraymodule.c
constexpr i64 kArrayAllocated = 32, kArrayDescr = 40, kArrayItemsize = 4;

// ElementObject.extra of Modules/_elementtree.c
constexpr i64 kElementExtra = 40;
constexpr u64 kElementExtraSize = 64;
constexpr i64 kExtraAllocated = 16, kExtraChildren = 24, kExtraOwnChildren = 32;

// PyStructObject.s_codes of Modules/_struct.c, an array of formatcode
constexpr i64 kStructCodes = 32;
constexpr u64 kStructCode = 32;
constexpr u64 kMaxStructCodes = 1 << 16;

// PicklerObject and UnpicklerObject of Modules/_pickle.c; some releases have one or two words less or
// more for persistent_id and persistent_load, which the basic size tells.
constexpr i64 kPicklerMemo = 16, kMemoAllocated = 16;
constexpr i64 kPicklerOutput = 64;
constexpr i64 kShortPickler = 144;
constexpr u64 kMemoTable = 32, kMemoEntry = 16;
constexpr i64 kUnpicklerMemo = 24, kUnpicklerMemoSize = 32;
constexpr i64 kLongUnpickler = 272;  // a longer one has a word more behind the marks
constexpr i64 kEncodingFromEnd = 48, kErrorsFromEnd = 40, kMarksFromEnd = 32, kMarksSizeFromEnd = 16;

}  // namespace

// A C string with its end mark; 0 for none.
u64 HeapReader::text_bytes(u64 address) {
  const View text = memory_.view_up_to(address, kMaxText);
  if (address == 0 || !text) return 0;
  u64 length = 0;
  while (length < text.size() && text.byte(length) != 0) ++length;
  return length + 1;
}

u64 HeapReader::pickler_bytes(u64, const TypeInfo& type, View view) {
  const i64 builtin = memory_.word(type.builtin_base + layout_.tp_basicsize);
  u64 size = type.basicsize;
  if (const u64 memo = view.word(kPicklerMemo)) size += kMemoTable + memory_.word(memo + kMemoAllocated) * kMemoEntry;
  const u64 output = view.word(builtin <= kShortPickler ? kPicklerOutput - 8 : kPicklerOutput);
  if (output != 0) size += layout_.bytes_sval + 1 + memory_.word(output + layout_.var_size);
  return size;
}

u64 HeapReader::unpickler_bytes(u64, const TypeInfo& type, View view) {
  const i64 builtin = memory_.word(type.builtin_base + layout_.tp_basicsize);
  const i64 end = builtin > kLongUnpickler ? builtin - 16 : builtin - 8;  // where proto lies
  u64 size = type.basicsize;
  if (view.word(kUnpicklerMemo)) size += view.word(kUnpicklerMemoSize) * 8;
  if (view.word(end - kMarksFromEnd + 8)) size += view.word(end - kMarksSizeFromEnd + 8) * 8;
  return size + text_bytes(view.word(end - kEncodingFromEnd + 8)) + text_bytes(view.word(end - kErrorsFromEnd + 8));
}

u64 HeapReader::array_bytes(u64, const TypeInfo& type, View view) {
  const u64 width = memory_.view(view.word(kArrayDescr), 8).read<i32>(kArrayItemsize);
  return type.basicsize + view.word(kArrayAllocated) * width;
}

u64 HeapReader::struct_bytes(u64, const TypeInfo& type, View view) {
  u64 codes = 1;  // the end mark is one of them
  const u64 first = view.word(kStructCodes);
  while (codes < kMaxStructCodes && memory_.word(first + (codes - 1) * kStructCode) != 0) ++codes;
  return type.basicsize + codes * kStructCode;
}

u64 HeapReader::element_bytes(u64, const TypeInfo& type, View view) {
  const u64 extra = view.word(kElementExtra);
  const View head = memory_.view(extra, kElementExtraSize);
  if (!head) return type.basicsize;
  const bool apart = head.word(kExtraChildren) != extra + kExtraOwnChildren;
  return type.basicsize + kElementExtraSize + (apart ? head.word(kExtraAllocated) * 8 : 0);
}

// Up to 3.12 only StgDicts know of the C type; since 3.13 its own method forgets the key table.
u64 HeapReader::ctype_bytes(u64 object, const TypeInfo& type, View view) {
  if (!layout_.at_least(13)) return type_bytes(object, type, view);
  return item_bytes(object, type, view) + ctype_extra_bytes(object, type);
}

u64 HeapReader::stg_dict_bytes(u64 object, const TypeInfo& type, View view) {
  return dict_bytes(object, type, view) + type.basicsize - layout_.dict_size + ctype_extra_bytes(object, type);
}

}  // namespace heapgraph
