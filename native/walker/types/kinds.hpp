// The shapes that CPython has given to one thing over time. Code asks for a kind, not for a
// version; which minor has which value is written in native/layouts/kinds.txt, and what each means
// in heapgraph/capture/cpython/layouts/kinds.py, in the same order (a test compares the two).
#pragma once

#include <cstdint>

namespace heapgraph {

// KIND(name, values...)
#define HEAPGRAPH_KINDS(KIND) \
    KIND(refcount, word, word_or_static, half, half_with_flags) \
    KIND(managed_dict, none, two_words, tagged_word, inline_values) \
    KIND(managed_weakref, no, yes) \
    KIND(stack_reference, pointer, tagged, tagged_or_int) \
    KIND(int_size, signed_count, tagged) \
    KIND(int_zero, no_digit, one_digit) \
    KIND(class_gc_head, heap_only, always) \
    KIND(instance_visits, python_class, every_class) \
    KIND(lru_link, without_type, with_type) \
    KIND(ctypes_info, dict, state, state_with_pointer) \
    KIND(interned, shared, per_interpreter) \
    KIND(line_table, lnotab, lines, locations) \
    KIND(pools, small, large)

#define HEAPGRAPH_DECLARE_KIND(name, ...) \
    namespace kind::name { \
    enum Value : std::int64_t { __VA_ARGS__ }; \
    }
HEAPGRAPH_KINDS(HEAPGRAPH_DECLARE_KIND)
#undef HEAPGRAPH_DECLARE_KIND

struct Kinds {
#define HEAPGRAPH_KIND_MEMBER(name, ...) std::int64_t name = 0;
    HEAPGRAPH_KINDS(HEAPGRAPH_KIND_MEMBER)
#undef HEAPGRAPH_KIND_MEMBER
};

}  // namespace heapgraph
