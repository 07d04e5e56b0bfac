// Structs that CPython keeps inside one of its own source files, restated: every version from 3.8
// to 3.15 lays them out like this, except where a version is named. Pointers stand for whatever
// they point to. Their offsets are checked against live objects of each version
// (tests/integration/test_target_layouts.py).
#pragma once

#include <Python.h>
#include <sys/types.h>

#define FROM(minor) (PY_VERSION_HEX >= (0x03000000 | (minor) << 16))

// Objects/dict-common.h, 3.8 to 3.10; later in pycore_dict.h.
struct dict_keys_until_3_10 {
    Py_ssize_t refcnt, size;
    void *lookup;
    Py_ssize_t usable, nentries;
    char indices[1];
};

// Objects/moduleobject.c, 3.8 to 3.9; later in pycore_moduleobject.h.
struct module_until_3_9 {
    PyObject_HEAD
    PyObject *dict;
    void *def, *state;
    PyObject *weaklist, *name;
};

// Modules/atexitmodule.c, 3.8 to 3.9: the state of the module; later a part of the interpreter's.
// The callbacks are pointers to what each keeps.
struct atexit_state_until_3_9 {
    void **callbacks;
    int count, room;
};
struct atexit_call {
    PyObject *func, *args, *kwargs;
};

// Modules/_collectionsmodule.c
#define DEQUE_BLOCK_SLOTS 64
struct deque_block {
    void *leftlink;
    PyObject *data[DEQUE_BLOCK_SLOTS];
    void *rightlink;
};
struct deque {
    PyObject_VAR_HEAD
    void *leftblock, *rightblock;
    Py_ssize_t leftindex, rightindex;
    size_t state;
    Py_ssize_t maxlen;
};

// Objects/odictobject.c: what follows the dict it begins with, and a node of its linked list
struct odict_part {
    void *od_first, *od_last, *od_fast_nodes;
    Py_ssize_t od_fast_nodes_size;
    void *od_resize_sentinel;
    size_t od_state;
    PyObject *od_inst_dict, *od_weakreflist;
};
struct odict_node {
    PyObject *key;
    Py_hash_t hash;
    void *next, *prev;
};

// Modules/_functoolsmodule.c: the wrapper begins with the link that ends its list
struct lru_link {
    PyObject_HEAD
    void *prev, *next;
    Py_hash_t hash;
    PyObject *key, *result;
};
struct lru_wrapper {
    struct lru_link root;
    void *wrapper;
    int typed;
    PyObject *cache;
    Py_ssize_t hits;
    PyObject *func;
    Py_ssize_t maxsize, misses;
#if FROM(10)
    PyObject *keyword_mark, *link_type;
#endif
    PyObject *cache_info_type;
};
struct partial {
    PyObject_HEAD
    PyObject *func, *args, *keywords, *dict, *weakreflist;
#if FROM(14)
    PyObject *placeholder;
#endif
};

// Modules/itertoolsmodule.c
#define TEE_SLOTS 57
struct tee_block {
    PyObject_HEAD
    PyObject *it;
    int numread, running;
    PyObject *nextlink;
    PyObject *values[TEE_SLOTS];
};

// Modules/arraymodule.c
struct array_object {
    PyObject_VAR_HEAD
    char *item;
    Py_ssize_t allocated;
    void *descr;
};
struct array_descr {
    char typecode;
    int itemsize;
};

// Modules/_elementtree.c
#define ELEMENT_OWN_CHILDREN 4
struct element_object {
    PyObject_HEAD
    PyObject *tag, *text, *tail;
    void *extra;
};
struct element_extra {
    PyObject *attributes;
    Py_ssize_t length, allocated;
    PyObject **children;
    PyObject *own_children[ELEMENT_OWN_CHILDREN];
};

// Modules/_decimal/_decimal.c: a hash, then mpd_t of libmpdec/mpdecimal.h
struct decimal_object {
    PyObject_HEAD
    Py_hash_t hash;
    unsigned char flags;
    Py_ssize_t exponent, digits, length, allocated;
};

// Modules/_zoneinfo.c: offsets from UTC, those of the rule for later years in the object itself
struct zone_offset {
    PyObject *utcoff, *dstoff, *tzname;
    long seconds;
};
struct zone_info {
    PyObject_HEAD
    PyObject *key, *file_repr, *weakreflist;
    size_t transitions, offsets_count;
    int64_t *utc, *wall, *wall_folded;
    struct zone_offset **of_transition, *before;
    struct zone_offset std, dst;
    int dst_difference;
    void *start, *end;
    unsigned char standard_only;
    struct zone_offset *offsets;
};

// Modules/_struct.c
struct struct_object {
    PyObject_HEAD
    Py_ssize_t size, len;
    void *codes;
    PyObject *format;
};

// Modules/itertoolsmodule.c; combinations_with_replacement begins like combinations
struct product_object {
    PyObject_HEAD
    PyObject *pools;
    Py_ssize_t *indices;
    PyObject *result;
};
struct combinations_object {
    PyObject_HEAD
    PyObject *pool;
    Py_ssize_t *indices;
    PyObject *result;
    Py_ssize_t r;
};
struct permutations_object {
    PyObject_HEAD
    PyObject *pool;
    Py_ssize_t *indices, *cycles;
    PyObject *result;
    Py_ssize_t r;
};

// Modules/_ctypes/ctypes.h: CDataObject; StgDictObject up to 3.12
struct ctypes_data {
    PyObject_HEAD
    char *pointer;
    int needs_free;
    void *base;
    Py_ssize_t size, length, index;
    PyObject *objects;
};
struct stg_dict {
    PyDictObject dict;
    Py_ssize_t size, align, length;
    struct {
        size_t size;
        unsigned short alignment, type;
        void *elements;
    } ffi_type;
    PyObject *proto;
    void *setfunc, *getfunc, *paramfunc;
    PyObject *argtypes, *converters, *restype, *checker;
};

// Modules/_threadmodule.c, up to 3.13: lock and RLock
struct thread_lock {
    PyObject_HEAD
    void *lock;
};

// Modules/_queuemodule.c
struct simple_queue {
    PyObject_HEAD
#if FROM(13)
    int has_waiters;
    Py_ssize_t put_index, get_index;
    PyObject **items;
    Py_ssize_t capacity, count;
#else
    void *lock;
    int locked;
    PyObject *list;
    Py_ssize_t list_position;
#endif
    PyObject *weakreflist;
};

// Modules/_io/bufferedio.c, bytesio.c, stringio.c, textio.c
struct buffered_io {
    PyObject_HEAD
    PyObject *raw;
    int ok, detached, readable, writable;
    char finalizing;
    int fast_closed_checks;
    off_t abs_pos;
    char *buffer;
    off_t pos, raw_pos, read_end, write_pos, write_end;
    void *lock;
    unsigned long owner;
    Py_ssize_t buffer_size;
};
struct bytes_io {
    PyObject_HEAD
    PyObject *buf;
};
struct buffered_pair {
    PyObject_HEAD
    PyObject *reader, *writer;
};
struct string_io {
    PyObject_HEAD
    Py_UCS4 *buf;
    Py_ssize_t pos, string_size;
    size_t buf_size;
};

struct text_io {
    PyObject_HEAD
    int ok, detached;
    Py_ssize_t chunk_size;
    PyObject *buffer, *encoding, *encoder, *decoder, *readnl, *errors;
};

// Modules/_csv.c: both keep the text of what they are at
struct csv_reader {
    PyObject_HEAD
    PyObject *iterator, *dialect, *fields;
    int state;
    Py_UCS4 *field;
    Py_ssize_t field_size, field_length;
};
struct csv_writer {
    PyObject_HEAD
    PyObject *write, *dialect;
    Py_UCS4 *record;
    Py_ssize_t record_size, record_length;
    int field_count;
    PyObject *error;  // 3.10 and later
};

// Modules/_sre.c, _sre/sre.h
struct re_pattern {
    PyObject_VAR_HEAD
    Py_ssize_t groups;
    PyObject *groupindex, *indexgroup, *pattern;
};
struct re_match {
    PyObject_VAR_HEAD
    PyObject *string, *regs, *pattern;
};

// Objects/descrobject.c, funcobject.c, typeobject.c, rangeobject.c, capsule.c
struct property_object {
    PyObject_HEAD
    PyObject *get, *set, *del, *doc, *name;  // name: 3.10 and later
};
struct mapping_proxy {
    PyObject_HEAD
    PyObject *mapping;
};
struct method_wrapper {
    PyObject_HEAD
    PyObject *descriptor, *self;
};
struct class_method {
    PyObject_HEAD
    PyObject *callable, *dict;
};
struct super_object {
    PyObject_HEAD
    PyObject *type, *obj, *obj_type;
};
struct range_object {
    PyObject_HEAD
    PyObject *start, *stop, *step, *length;
};
struct capsule {
    PyObject_HEAD
    void *pointer;
    const char *name;
    void *context, *destructor;
};

// Objects/enumobject.c, iterobject.c, listobject.c, tupleobject.c; Python/bltinmodule.c
struct sequence_iterator {  // also list, tuple, str, bytes iterators and reversed
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq;
};
struct callable_iterator {
    PyObject_HEAD
    PyObject *callable, *sentinel;
};
struct enumerate_object {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *iterator, *result, *long_index;
#if FROM(11)
    PyObject *one;
#endif
};
struct zip_object {
    PyObject_HEAD
    Py_ssize_t count;
    PyObject *iterators, *result;
};
struct map_object {
    PyObject_HEAD
    PyObject *iterators, *func;
};
struct filter_object {
    PyObject_HEAD
    PyObject *func, *iterator;
};

// Objects/genericaliasobject.c (3.9 and later), unionobject.c (3.10 and later)
struct generic_alias {
    PyObject_HEAD
    PyObject *origin, *args, *parameters, *weakreflist;
};
struct union_object {
    PyObject_HEAD
    PyObject *args;
#if FROM(14)
    PyObject *hashable_args, *unhashable_args, *parameters, *weakreflist;
#else
    PyObject *parameters;
#endif
};

// Python/hamt.c
struct hamt_bitmap {  // the collision node has its hash where this has its bitmap
    PyObject_VAR_HEAD
    uint32_t bitmap;
    PyObject *items[1];
};

// Objects/typevarobject.c, 3.12 and later: the other parameters of types begin so as well
struct typevar_object {
    PyObject_HEAD
    PyObject *name, *bound;
};

// numpy/_core/include/numpy/ndarraytypes.h, 1.x and 2.x
#define NDARRAY_OWNDATA 4
#define NDARRAY_OBJECT_TYPE 17
struct ndarray {
    PyObject_HEAD
    char *data;
    int nd;
    Py_ssize_t *dimensions, *strides;
    PyObject *base, *descr;
    int flags;
    PyObject *weakreflist;
};
