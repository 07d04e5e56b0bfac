// Picklers and unpicklers (Modules/_pickle.c). Some releases have one or two words less or more for
// persistent_id and persistent_load, which the basic size tells.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kPicklerMemo = 16, kMemoAllocated = 16;
constexpr i64 kPicklerOutput = 64;
constexpr i64 kShortPickler = 144;
constexpr u64 kMemoTable = 32, kMemoEntry = 16;
constexpr i64 kUnpicklerMemo = 24, kUnpicklerMemoSize = 32;
constexpr i64 kLongUnpickler = 272;  // a longer one has a word more behind the marks
constexpr i64 kEncodingFromEnd = 48, kErrorsFromEnd = 40, kMarksFromEnd = 32,
              kMarksSizeFromEnd = 16;

i64 builtin_size(HeapReader &reader, const TypeInfo &type) {
    return reader.memory().u64_at(type.builtin_base + reader.layout().tp_basicsize);
}

u64 pickler_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    MemoryImage &memory = reader.memory();
    u64 size = type.basicsize;
    if (const u64 memo = view.u64_at(kPicklerMemo))
        size += kMemoTable + memory.u64_at(memo + kMemoAllocated) * kMemoEntry;
    const u64 output = view.u64_at(builtin_size(reader, type) <= kShortPickler ? kPicklerOutput - 8
                                                                               : kPicklerOutput);
    if (output != 0) size += layout.bytes_sval + 1 + memory.u64_at(output + layout.var_size);
    return size;
}

u64 unpickler_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const i64 builtin = builtin_size(reader, type);
    const i64 end = builtin > kLongUnpickler ? builtin - 16 : builtin - 8;  // where proto lies
    u64 size = type.basicsize;
    if (view.u64_at(kUnpicklerMemo)) size += view.u64_at(kUnpicklerMemoSize) * 8;
    if (view.u64_at(end - kMarksFromEnd + 8)) size += view.u64_at(end - kMarksSizeFromEnd + 8) * 8;
    return size + reader.text_bytes(view.u64_at(end - kEncodingFromEnd + 8)) +
           reader.text_bytes(view.u64_at(end - kErrorsFromEnd + 8));
}

}  // namespace

extern const TypeReader pickler_reader{.name = "pickler", .getsizeof_ = pickler_bytes};
extern const TypeReader unpickler_reader{.name = "unpickler", .getsizeof_ = unpickler_bytes};

}  // namespace heapgraph
