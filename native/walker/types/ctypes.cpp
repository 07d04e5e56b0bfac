// Classes of ctypes and what describes their C types (Modules/_ctypes): a dict subclass in the place of
// the class's dict up to 3.12 (stgdict.c), a struct behind the class object since 3.13 (StgInfo, ctypes.h).
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// Offsets in both, from `size` on
constexpr i64 kLength = 16, kElements = 40, kProto = 48, kFormatUntil312 = 120;
constexpr i64 kInfoSize = 8;  // StgInfo begins with `initialized`
constexpr u64 kMaxElements = 1 << 20;
constexpr u64 kLongest = 160;

struct InfoField { i64 offset; const char* name; };
constexpr InfoField kInfoFields[] = {
    {kProto, "proto"}, {80, "argtypes"}, {88, "converters"}, {96, "restype"}, {104, "checker"}, {112, "module"},
};
constexpr InfoField kPointerType = {120, "pointer_type"};  // 3.14 and later

u64 up16(u64 size) { return (size + 15) & ~u64{15}; }

}  // namespace

void HeapReader::ctype(u64 object, const TypeInfo& type, EdgeList& out) {
  type_object(object, type, out);
  NameTable& names = types_.names();
  if (!layout_.at_least(13)) {  // a pointer class visits what its dict owns
    const u64 dict = memory_.word(object + layout_.tp_dict);
    out.add(memory_.word(dict + layout_.dict_size + kProto), EdgeKind::kField, names.row("proto"), kGcVisible);
    return;
  }
  const View info = memory_.view(object + up16(layout_.ht_size) + kInfoSize, kLongest);
  for (const InfoField& field : kInfoFields) out.add(info.word(field.offset), EdgeKind::kField, names.row(field.name));
  if (layout_.at_least(14)) {
    out.add(info.word(kPointerType.offset), EdgeKind::kField, names.row(kPointerType.name));
  }
}

// Format, shape and the types of the fields: blocks of their own.
u64 HeapReader::stg_bytes(u64 address, i64 format) {
  const View info = memory_.view(address, kLongest);
  u64 size = text_bytes(info.word(format)) + i64{info.read<i32>(format + 8)} * 8;
  if (info.word(kElements) && info.word(kLength) < kMaxElements) size += (info.word(kLength) + 1) * 8;
  return size;
}

u64 HeapReader::ctype_extra_bytes(u64 object, const TypeInfo& type) {
  if (type.reader->is("stg_dict")) return stg_bytes(object + layout_.dict_size, kFormatUntil312);
  if (!type.reader->is("ctype") || !layout_.at_least(13)) return 0;
  const i64 format = kFormatUntil312 + (layout_.at_least(14) ? 16 : 8);
  return stg_bytes(object + up16(layout_.ht_size) + kInfoSize, format);
}

}  // namespace heapgraph
