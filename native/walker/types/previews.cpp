// What a person recognises an object by: the head of a text, a number, a code object's place.
#include <charconv>
#include <cmath>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kPreviewCharacters = 80;
constexpr u64 kMaxDigits = 4;  // 120 bits: larger ints are described by their size
constexpr const char* kCut = "\xe2\x80\xa6";  // an ellipsis marks a preview that was cut

void append_utf8(std::string& out, u32 code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;  // a lone surrogate is no valid text
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    if (code > 0x10ffff) return append_utf8(out, 0xfffd);
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

void append_decimal(std::string& out, unsigned __int128 value) {
  char digits[48];
  int at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  out.append(digits + at, sizeof digits - at);
}

}  // namespace

bool HeapReader::preview_str(u64 object, std::string& out) {
  const View view = memory_.view(object, layout_.uni_ascii_size);
  if (!view) return false;
  const u32 state = view.half(layout_.uni_state);
  const u64 length = view.word(layout_.uni_length);
  const u64 width = state >> 2 & 7;
  if (width != 1 && width != 2 && width != 4) return false;
  u64 data = object + (state & 64 ? layout_.uni_ascii_size : layout_.uni_compact_size);
  if (!(state & 32)) data = memory_.word(object + layout_.uni_data);
  const u64 shown = length < kPreviewCharacters ? length : kPreviewCharacters;
  const View text = memory_.view(data, shown * width);
  if (!text && shown != 0) return false;
  for (u64 i = 0; i < shown; ++i) {
    append_utf8(out, width == 1 ? text.byte(i) : width == 2 ? text.read<u16>(i * 2) : text.half(i * 4));
  }
  if (shown < length) out += kCut;
  return true;
}

bool HeapReader::preview_bytes(u64 object, std::string& out) {
  const u64 length = memory_.word(object + layout_.var_size);
  const u64 shown = length < kPreviewCharacters ? length : kPreviewCharacters;
  const View data = memory_.view(object + layout_.bytes_sval, shown);
  if (!data && shown != 0) return false;
  out += "b'";
  static const char* hex = "0123456789abcdef";
  for (u64 i = 0; i < shown; ++i) {
    const u8 byte = data.byte(i);
    if (byte == '\\' || byte == '\'') {
      out += '\\';
      out += static_cast<char>(byte);
    } else if (byte >= 32 && byte < 127) {
      out += static_cast<char>(byte);
    } else {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  out += '\'';
  if (shown < length) out += kCut;
  return true;
}

bool HeapReader::preview_int(u64 object, const TypeInfo& type, std::string& out) {
  const View view = memory_.view(object, layout_.long_digit);
  const i64 tag = view.signed_word(layout_.long_tag);
  bool negative;
  u64 digits;
  if (layout_.at_least(12)) {
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
    out += "<int of " + std::to_string(digits * 30) + " bits>";
    return true;
  }
  const View words = memory_.view(object + layout_.long_digit, digits * 4);
  unsigned __int128 value = 0;
  for (u64 i = digits; i-- > 0;) value = value << 30 | words.half(i * 4);
  if (negative) out += '-';
  append_decimal(out, value);
  return true;
}

bool HeapReader::preview_code(u64 object, const TypeInfo&, std::string& out) {
  const View view = memory_.view(object, layout_.code_size);
  if (!preview_str(view.word(layout_.code_name), out)) return false;
  out += " (";
  preview_str(view.word(layout_.code_filename), out);
  out += ':';
  out += std::to_string(view.half(layout_.code_firstlineno));
  out += ')';
  return true;
}

bool HeapReader::preview_float(u64 object, const TypeInfo&, std::string& out) {
  const double value = memory_.view(object + layout_.object_size, 8).read<double>(0);
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value);
  std::string shown(text, end.ptr);
  if (std::isfinite(value) && shown.find_first_of(".e") == std::string::npos) shown += ".0";
  out += shown;
  return true;
}

bool HeapReader::preview(u64 object, const TypeInfo& type, std::string& out) {
  return (this->*type.reader->preview)(object, type, out);
}

}  // namespace heapgraph
