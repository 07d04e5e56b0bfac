// Which code reads the builtin part of an object: one row of functions for each kind, in one table by name (readers.cpp).
// Rules of types (heapgraph/capture/types/) say the name.
#pragma once

#include <string>
#include <string_view>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

class EdgeList;
class HeapReader;
struct TypeInfo;

struct TypeReader {
  const char* name;
  // What the object refers to, besides the fields of its rule, its type and its __dict__.
  void (HeapReader::*references)(u64 object, const TypeInfo&, EdgeList&);
  // What sys.getsizeof says without the head of the collector and the buffers of the rule: bytes.
  u64 (HeapReader::*getsizeof_)(u64 object, const TypeInfo&, View);
  // Bytes asked of the allocators. `size`: getsizeof and all that is known of buffers and blocks.
  u64 (HeapReader::*footprint)(u64 object, const TypeInfo&, View, u64 getsizeof_bytes, u64 size);
  // Appends what it looks like; false when it has no preview.
  bool (HeapReader::*preview)(u64 object, const TypeInfo&, std::string&);
  // The bytes that an object has at least: some are smaller than their type's basic size.
  i64 (HeapReader::*least_bytes)(u64 object, const TypeInfo&);
  bool describes_types;  // its objects are classes

  bool is(std::string_view other) const { return other == name; }
};

// The reader of this name; null when there is none.
const TypeReader* find_reader(std::string_view name);
const TypeReader* plain_reader();

}  // namespace heapgraph
