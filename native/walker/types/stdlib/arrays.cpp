// array.array and struct.Struct: values of C.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// arrayobject of Modules/arraymodule.c
constexpr i64 kAllocated = 32, kDescr = 40, kItemsize = 4;

// PyStructObject.s_codes of Modules/_struct.c, an array of formatcode
constexpr i64 kCodes = 32;
constexpr u64 kCode = 32;
constexpr u64 kMaxCodes = 1 << 16;

u64 array_bytes(HeapReader& reader, u64, const TypeInfo& type, View view) {
  const u64 width = reader.memory().view(view.word(kDescr), 8).read<i32>(kItemsize);
  return type.basicsize + view.word(kAllocated) * width;
}

u64 format_bytes(HeapReader& reader, u64, const TypeInfo& type, View view) {
  u64 codes = 1;  // the end mark is one of them
  const u64 first = view.word(kCodes);
  while (codes < kMaxCodes && reader.memory().word(first + (codes - 1) * kCode) != 0) ++codes;
  return type.basicsize + codes * kCode;
}

}  // namespace

extern const TypeReader array_reader{.name = "array", .getsizeof_ = array_bytes};
extern const TypeReader struct_reader{.name = "struct", .getsizeof_ = format_bytes};

}  // namespace heapgraph
