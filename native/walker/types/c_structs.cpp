// Structs of C modules whose references do not lie at fixed places.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kHasTimezone = 24;   // PyDateTime_DateTime and PyDateTime_Time, Include/datetime.h
constexpr u64 kCachedCodeFields = 4;  // _PyCoCached, Include/cpython/code.h

// ElementObject and ElementObjectExtra of Modules/_elementtree.c
constexpr i64 kElementTag = 16, kElementText = 24, kElementTail = 32, kElementExtra = 40;
constexpr i64 kExtraAttributes = 0, kExtraLength = 8, kExtraChildren = 24, kExtraHead = 32;
constexpr u64 kMaxChildren = 1ull << 32;

// simplequeueobject of Modules/_queuemodule.c: a list up to 3.12, a ring of items since 3.13
constexpr i64 kQueueList = 32;
constexpr i64 kRingFirst = 32, kRingItems = 40, kRingCapacity = 48, kRingLength = 56;

// PyObjectHashTable of pandas/_libs/hashtable.pyx: a kh_pymap_t (klib's khash.h, as pandas keeps it)
constexpr i64 kHashTable = 24;
constexpr i64 kHashBuckets = 0, kHashEmpty = 16, kHashKeys = 24, kHashHead = 40;

}  // namespace

// Objects that code caches for Python programs that ask for co_code, co_varnames...
void HeapReader::code(u64 object, const TypeInfo& type, EdgeList& out) {
  if (!present(layout_.code_cached)) return;
  const u64 cached = memory_.view(object, type.basicsize).word(layout_.code_cached);
  if (cached == 0) return;
  const View words = memory_.view(cached, kCachedCodeFields * 8);
  static const char* const names[] = {"_co_code", "_co_varnames", "_co_cellvars", "_co_freevars"};
  for (u64 i = 0; i < kCachedCodeFields; ++i) {
    out.add(words.word(i * 8), EdgeKind::kField, types_.names().row(names[i]), kCounted);
  }
}

// Only an aware datetime or time has the word for its time zone; a naive one ends before it.
void HeapReader::datetime(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  if (view.byte(kHasTimezone) == 0) return;
  const u64 builtin = memory_.word(type.builtin_base + layout_.tp_basicsize);
  out.add(view.word(builtin - 8), EdgeKind::kField, types_.names().row("tzinfo"), kCounted);
}

// text and tail carry a flag in their lowest bit; attributes and children lie in a second struct.
void HeapReader::element(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  NameTable& names = types_.names();
  out.add(view.word(kElementTag), EdgeKind::kField, names.row("tag"));
  out.add(view.word(kElementText) & ~u64{1}, EdgeKind::kField, names.row("text"));
  out.add(view.word(kElementTail) & ~u64{1}, EdgeKind::kField, names.row("tail"));
  const View extra = memory_.view(view.word(kElementExtra), kExtraHead);
  if (!extra) return;
  out.add(extra.word(kExtraAttributes), EdgeKind::kField, names.row("attrib"));
  const u64 count = extra.word(kExtraLength);
  if (count > kMaxChildren) return;
  items_at(object, extra.word(kExtraChildren), count, out);
}

void HeapReader::simple_queue(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  if (!layout_.at_least(13)) {
    return out.add(view.word(kQueueList), EdgeKind::kField, types_.names().row("lst"));
  }
  const u64 capacity = view.word(kRingCapacity), length = view.word(kRingLength);
  if (capacity > kMaxChildren || length > capacity) return;
  const u64 first = view.word(kRingFirst), items = view.word(kRingItems);
  if (first >= capacity || !memory_.covers(items, capacity * 8)) return;
  const auto run = [&](u64 from, u64 count, u64 place) {  // the ring goes on at its start
    each_part(object, items + from * 8, count * 8, 8, [&](View words, u64 offset) {
      for (u64 at = 0; at < words.size(); at += 8) out.add(words.word(at), EdgeKind::kIndex, place + (offset + at) / 8);
    });
  };
  const u64 to_end = std::min(length, capacity - first);
  run(first, to_end, 0);
  run(0, length - to_end, to_end);
}

// Buckets without a key hold what was there before; one bit each tells them.
void HeapReader::khash(u64 object, const TypeInfo& type, EdgeList& out) {
  const View table = memory_.view(memory_.view(object, type.basicsize).word(kHashTable), kHashHead);
  const u64 buckets = table.half(kHashBuckets);
  const u64 empty = table.word(kHashEmpty);
  if (!memory_.covers(empty, (buckets + 31) / 32 * 4)) return;
  each_part(object, table.word(kHashKeys), buckets * 8, 8, [&](View keys, u64 offset) {
    for (u64 at = 0; at < keys.size(); at += 8) {
      const u64 i = (offset + at) / 8;
      const u32 bits = memory_.view(empty + i / 32 * 4, 4).half(0);
      if (!(bits >> (i % 32) & 1)) out.add(keys.word(at), EdgeKind::kKey, i, kCounted | kScanned);
    }
  });
}

}  // namespace heapgraph
