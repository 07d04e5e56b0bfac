// Hash tables of pandas: PyObjectHashTable of pandas/_libs/hashtable.pyx.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// A kh_pymap_t (klib's khash.h, as pandas keeps it)
constexpr i64 kTable = 24;
constexpr i64 kBuckets = 0, kEmpty = 16, kKeys = 24, kHead = 40;

// Buckets without a key hold what was there before; one bit each tells them.
void khash_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    MemoryImage &memory = reader.memory();
    const View table = memory.view(reader.body(object, type).u64_at(kTable), kHead);
    const u64 buckets = table.u32_at(kBuckets);
    const u64 empty = table.u64_at(kEmpty);
    if (!memory.covers(empty, (buckets + 31) / 32 * 4)) return;
    reader.each_part(object, table.u64_at(kKeys), buckets * 8, 8, [&](View keys, u64 offset) {
        for (u64 at = 0; at < keys.size(); at += 8) {
            const u64 i = (offset + at) / 8;
            const u32 bits = memory.view(empty + i / 32 * 4, 4).u32_at(0);
            if (!(bits >> (i % 32) & 1))
                out.add(keys.u64_at(at), EdgeKind::kKey, i, kCounted | kScanned);
        }
    });
}

}  // namespace

extern const TypeReader khash_reader{.name = "khash", .references = khash_references};

}  // namespace heapgraph
