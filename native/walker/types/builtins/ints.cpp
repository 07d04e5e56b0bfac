// Ints: a sign, and digits of 30 bits.
#include "walker/types/attributes.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxDigits = 4;  // 120 bits: larger ints are described by their size
constexpr unsigned kDigitBits = 30;
constexpr u64 kDigitBytes = 4;

void append_decimal(std::string &out, unsigned __int128 value) {
    char digits[48];
    int at = sizeof digits;
    do {
        digits[--at] = static_cast<char>('0' + static_cast<int>(value % 10));
        value /= 10;
    } while (value != 0);
    out.append(digits + at, sizeof digits - at);
}

u64 int_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    const Layout &layout = reader.layout();
    const u64 digits = reader.item_count(view);
    const u64 counted =
        digits == 0 && layout.kinds.int_zero == kind::int_zero::one_digit ? 1 : digits;
    return (layout.kinds.int_size == kind::int_size::tagged ? type.basicsize : layout.long_digit) +
           counted * kDigitBytes;
}

u64 int_footprint(HeapReader &reader, u64 object, const TypeInfo &type, View view, u64 size) {
    const Layout &layout = reader.layout();
    if (!type.is_python_class) {  // where 0 has a digit, one digit is padded to the struct's size
        const bool padded =
            layout.kinds.int_zero == kind::int_zero::one_digit && size < u64(layout.long_size);
        return padded ? layout.long_size : size;
    }
    if (type.itemsize == 0) return size;
    u64 items = reader.item_count(view);
    if (items == 0) items = 1;
    return (type.is_gc ? kGcHead : 0) + type.preheader + attribute_bytes(reader, object, type) +
           round_up(type.basicsize + (items + 1) * type.itemsize, 8);
}

bool preview_int(HeapReader &reader, u64 object, const TypeInfo &type, std::string &out) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(object, layout.long_digit);
    const i64 tag = view.i64_at(layout.long_tag);
    bool negative;
    u64 digits;
    if (layout.kinds.int_size == kind::int_size::tagged) {
        negative = (tag & 3) == 2;
        digits = static_cast<u64>(tag) >> 3;
    } else {
        negative = tag < 0;
        digits = negative ? -static_cast<u64>(tag) : tag;
    }
    if (type.tp_name == "bool") {
        out += digits ? "True" : "False";
        return true;
    }
    if (digits > kMaxDigits) {
        out += "<int of " + std::to_string(digits * kDigitBits) + " bits>";
        return true;
    }
    const View words = reader.memory().view(object + layout.long_digit, digits * kDigitBytes);
    unsigned __int128 value = 0;
    for (u64 i = digits; i-- > 0;) value = value << kDigitBits | words.u32_at(i * kDigitBytes);
    if (negative) out += '-';
    append_decimal(out, value);
    return true;
}

}  // namespace

extern const TypeReader int_reader{
    .name = "int", .getsizeof_ = int_bytes, .footprint = int_footprint, .preview = preview_int};

}  // namespace heapgraph
