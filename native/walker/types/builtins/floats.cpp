// Floats.
#include <charconv>
#include <cmath>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

bool preview_float(HeapReader &reader, u64 object, const TypeInfo &, std::string &out) {
    const double value =
        reader.memory().view(object + reader.layout().object_size, 8).read<double>(0);
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value);
    std::string shown(text, end.ptr);
    if (std::isfinite(value) && shown.find_first_of(".e") == std::string::npos) shown += ".0";
    out += shown;
    return true;
}

}  // namespace

extern const TypeReader float_reader{.name = "float", .preview = preview_float};

}  // namespace heapgraph
