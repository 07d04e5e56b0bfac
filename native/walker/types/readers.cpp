// The one table of readers. Each is made in the file of its family, as `NAME_reader`.
#include "walker/types/type_reader.hpp"

// clang-format off: a table
#define HEAPGRAPH_READERS(X) \
    /* builtins/ */ \
    X(plain) X(items) X(int) X(float) X(str) X(bytes) X(bytearray) X(list) X(tuple) X(dict) X(set) \
    X(type) X(module) \
    X(code) X(frame) X(generator) X(memoryview) X(weakref) \
    /* stdlib/ */ \
    X(deque) X(ordered_dict) X(lru_cache) X(tee) X(array) X(struct) X(datetime) X(decimal) \
    X(element) X(simple_queue) X(pickler) X(zone_info) \
    X(unpickler) X(ctype) X(stg_dict) \
    /* packages/ */ \
    X(ndarray) X(khash)
// clang-format on

namespace heapgraph {

#define HEAPGRAPH_DECLARE(name) extern const TypeReader name##_reader;
HEAPGRAPH_READERS(HEAPGRAPH_DECLARE)
#undef HEAPGRAPH_DECLARE

namespace {

const TypeReader *const kReaders[] = {
#define HEAPGRAPH_ROW(name) &name##_reader,
    HEAPGRAPH_READERS(HEAPGRAPH_ROW)
#undef HEAPGRAPH_ROW
};

}  // namespace

const TypeReader *find_reader(std::string_view name) {
    for (const TypeReader *reader : kReaders) {
        if (reader->is(name)) return reader;
    }
    return nullptr;
}

}  // namespace heapgraph
