// Builds heaps like those of CPython, by the offsets of any version, in memory of this process.
//
// Every owned reference is counted, so that a walk can be checked against the reference counts: the
// walker has to find exactly the references that were built.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "layout_table.hpp"

namespace heapgraph::test {

using Objects = std::vector<u64>;
using Pairs = std::vector<std::pair<u64, u64>>;

struct TypeSpec {
    std::string name;
    u64 base = 0;  // `object` unless told otherwise
    i64 basicsize = 16;
    i64 itemsize = 0;
    u64 flags = 0;
    i64 dictoffset = 0;
};

class HeapBuilder {
public:
    static constexpr u64 kClassDealloc = 0x10001000, kClassTraverse = 0x10002000,
                         kBuiltinDealloc = 0x10003000;
    static constexpr u64 kTextLookup = 0x10004000, kGeneralLookup = 0x10005000;

    explicit HeapBuilder(const LayoutTable &table, u64 pages = 64);

    // Types that every heap has; they lie in the static arena.
    u64 object_type = 0, type_type = 0, int_type = 0, str_type = 0, bytes_type = 0, float_type = 0;
    u64 tuple_type = 0, list_type = 0, dict_type = 0, set_type = 0;

    u64 static_type(const TypeSpec &spec);
    // What a class statement makes. Slots come behind the base's fields, each one word.
    u64 python_class(const std::string &name, u64 base, const std::vector<std::string> &slots,
                     u64 flags = 0);
    // Attribute names that instances of the class share; the table of a class that is not managed
    // serves split dicts.
    void share_names(u64 python_class, const Objects &names);

    u64 text(const std::string &ascii);
    u64 text_of(const std::vector<u32> &characters, int width);
    u64 number(i64 value);
    u64 bytes(const std::string &content);
    u64 real(double value);
    u64 tuple(const Objects &items);
    u64 list(const Objects &items);
    u64 dict(const Pairs &entries, bool only_text_keys = true);
    u64 set(const Objects &members);
    // A bare object of the type with its GC head and pre-header, all words zero. What the collector
    // tracks is held from outside as well, so that it is alive without being referred to.
    u64 instance(u64 type, u64 extra_bytes = 0);
    // The two ways in which attributes lie apart from a dict's entries.
    u64 inline_instance(u64 python_class, const Objects &values);
    u64 split_dict(u64 python_class, const Objects &values);

    // A chunk as glibc's malloc gives it: its size in front, and behind it the next one, which says
    // that it is in use.
    u64 allocate_chunk(u64 bytes);

    // Stores an owned reference and counts it.
    void own(u64 address, u64 target);
    // Counts a reference from outside of the heap, a variable of a C program; returns the object.
    u64 hold(u64 target);
    u64 held_from_outside(u64 target) const;
    u64 type_of(u64 object) const { return get_word(object + layout.type); }
    void track(u64 object);
    // A table as dicts and classes have it; keys are owned by it.
    u64 key_table(const Pairs &entries, bool only_text_keys, bool shared);

    const LayoutTable &table;
    const Layout &layout;
    Arena data;
    Arena statics;
    std::vector<u64> running_frames;  // that threads run
    u64 gc_head = 0;

private:
    void make_basic_types();
    void fill_type(u64 type, const TypeSpec &spec);
    void complete_type(u64 type);
    u64 c_string(Arena &arena, const std::string &text);
    u64 text_struct(u64 length, int width, bool ascii, u64 unit_bytes);
    u64 flags_of(u64 type) const { return get_word(type + layout.tp_flags); }
    u64 basicsize_of(u64 type) const { return get_word(type + layout.tp_basicsize); }

    std::vector<u64> outside_;
};

}  // namespace heapgraph::test
