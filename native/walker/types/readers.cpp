// The one table of readers.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {

using R = HeapReader;

// name, references, getsizeof, footprint, preview, least bytes, describes types
const TypeReader HeapReader::kReaders[] = {
    {"plain", &R::nothing, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"items", &R::items, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"int", &R::nothing, &R::int_bytes, &R::int_footprint, &R::preview_int, &R::basic_least, false},
    {"str", &R::nothing, &R::str_bytes, &R::str_footprint, &R::preview_str_object, &R::str_least, false},
    {"bytes", &R::nothing, &R::item_bytes, &R::plain_footprint, &R::preview_bytes_object, &R::basic_least, false},
    {"list", &R::list, &R::list_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"tuple", &R::tuple, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"dict", &R::dict, &R::dict_bytes, &R::dict_footprint, &R::no_preview, &R::basic_least, false},
    {"set", &R::set, &R::set_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"type", &R::type_object, &R::type_bytes, &R::class_footprint, &R::no_preview, &R::type_least, true},
    {"module", &R::module_state, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"code", &R::code, &R::code_bytes, &R::code_footprint, &R::preview_code, &R::basic_least, false},
    {"frame", &R::frame, &R::frame_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"generator", &R::generator, &R::generator_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"deque", &R::deque, &R::deque_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"ordered_dict", &R::ordered_dict, &R::ordered_dict_bytes, &R::dict_footprint, &R::no_preview, &R::basic_least, false},
    {"lru_cache", &R::lru_cache, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"tee", &R::tee, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"memoryview", &R::memoryview, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"weakref", &R::weakref, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"ndarray", &R::ndarray, &R::ndarray_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"bytearray", &R::nothing, &R::bytearray_bytes, &R::bytearray_footprint, &R::no_preview, &R::basic_least, false},
    {"float", &R::nothing, &R::item_bytes, &R::plain_footprint, &R::preview_float, &R::basic_least, false},
    {"array", &R::nothing, &R::array_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"struct", &R::nothing, &R::struct_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"datetime", &R::datetime, &R::item_bytes, &R::datetime_footprint, &R::no_preview, &R::datetime_least, false},
    {"element", &R::element, &R::element_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"simple_queue", &R::simple_queue, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"ctype", &R::ctype, &R::ctype_bytes, &R::class_footprint, &R::no_preview, &R::basic_least, true},
    {"stg_dict", &R::dict, &R::stg_dict_bytes, &R::stg_dict_footprint, &R::no_preview, &R::basic_least, false},
    {"pickler", &R::nothing, &R::pickler_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"unpickler", &R::nothing, &R::unpickler_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
    {"khash", &R::khash, &R::item_bytes, &R::plain_footprint, &R::no_preview, &R::basic_least, false},
};

const TypeReader* find_reader(std::string_view name) { return HeapReader::reader_named(name); }

const TypeReader* plain_reader() {
  static const TypeReader* const plain = find_reader("plain");
  return plain;
}

const TypeReader* HeapReader::reader_named(std::string_view name) {
  const auto found = std::find_if(std::begin(kReaders), std::end(kReaders),
                                  [name](const TypeReader& reader) { return reader.is(name); });
  return found == std::end(kReaders) ? nullptr : found;
}

}  // namespace heapgraph
