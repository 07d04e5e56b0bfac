// decimal.Decimal: up to four words of digits lie in the object, more in a block of their own.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u8 kNotOwned = 0x20 | 0x40 | 0x80;  // MPD_DATAFLAGS: static, shared or constant digits
constexpr u64 kDigitWord = 8;                 // mpd_uint_t

u64 decimal_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view) {
    const u64 words = view.u64_at(reader.layout().decimal_allocated);
    const bool apart =
        !(view.u8_at(reader.layout().decimal_flags) & kNotOwned) && words <= kMaxItems;
    return struct_bytes(reader, object, type, view) + (apart ? words * kDigitWord : 0);
}

}  // namespace

extern const TypeReader decimal_reader{.name = "decimal", .getsizeof_ = decimal_bytes};

}  // namespace heapgraph
