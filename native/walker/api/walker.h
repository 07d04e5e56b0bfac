/* The C interface of the walker: it reads the heap of a frozen process, or of a core file, into
 * columns.
 *
 * Every address is one of the target's and a number here: nothing of this process lies there. All
 * sizes, offsets and ends are bytes unless something else is said. Ranges are [start, end).
 *
 * Who owns what: buffers that are passed belong to the caller, who may free them when the call has
 * returned; what a walker hands out (columns, texts) belongs to the walker.
 *
 * The order of calls, one at a time (hg_walker_progress alone may be called meanwhile, by another
 * thread): hg_walker_new; hg_walker_add_rule for each type, hg_walker_set_budget,
 * hg_walker_set_constant, hg_walker_set_running_frames; hg_walker_read_gc_lists;
 * hg_walker_discover, and what finds more to discover (hg_walker_scan_range, hg_walker_to_traverse
 * and hg_walker_add_traversed) as often as wanted; hg_walker_lost_objects when all else is found;
 * hg_walker_compare_traversed; hg_walker_emit; hg_walker_forget_memory; hg_walker_complete;
 * hg_walker_free. Memory can be read from the start until it is forgotten.
 *
 * No C++ exception gets out: a function that does work returns an hg_walker_status.
 */
#ifndef HEAPGRAPH_WALKER_H
#define HEAPGRAPH_WALKER_H

#include <stdint.h>

#ifndef HG_API
#define HG_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a struct, a signature or the meaning of one changes. */
#define HG_WALKER_VERSION 8

/* An offset of a field that the target's CPython does not have. */
#define HG_ABSENT INT64_C(-1)

/* No row, and no object. */
#define HG_NO_ROW UINT32_C(0xffffffff)

enum hg_walker_status {
    HG_WALKER_OK = 0,
    HG_WALKER_OUT_OF_MEMORY = 1,
    HG_WALKER_UNKNOWN_READER = 2,
    HG_WALKER_UNKNOWN_BUFFER_COUNT = 3,
    HG_WALKER_NO_SUCH_ROW = 4,
    HG_WALKER_FAILED = 5 /* an exception that says nothing of memory: not known to happen */
};

typedef struct hg_walker hg_walker;

typedef struct hg_range {
    uint64_t start;
    uint64_t end;
} hg_range;

#include "walker/api/native_memory.h"

/* Memory of the target that a file has: `in_file` bytes from `offset` of the file on, and zeros
 * behind them up to `size`. The descriptor stays the caller's, and open until
 * hg_walker_forget_memory; pieces of a sealed file of memory are mapped, not copied. */
typedef struct hg_file_piece {
    uint64_t start;
    uint64_t size;
    uint64_t descriptor;
    uint64_t offset;
    uint64_t in_file;
} hg_file_piece;

/* What a walk may cost; what is beyond is left out, and counted. Without one nothing is limited. */
typedef struct hg_walk_budget {
    uint64_t objects;
    uint64_t references;
    uint64_t table_bytes; /* of tables outside of their objects, in each pass */
    uint64_t image_bytes; /* copied from the target */
} hg_walk_budget;

/* What a capture's quality record needs. All are final after hg_walker_emit. */
typedef struct hg_walk_counts {
    uint64_t objects;
    uint64_t references;
    uint64_t gc_tracked;         /* objects in the lists of the collector */
    uint64_t gc_frozen;          /* of these in permanent lists */
    uint64_t list_breaks;        /* links of these lists that do not agree or lead nowhere */
    uint64_t invalid_references; /* named references that lead to no object */
    uint64_t traversed;          /* objects whose traverse function ran */
    uint64_t names;              /* rows of hg_walker_name_text */
    uint64_t types;              /* rows of hg_walker_type */
    uint64_t bytes_read;
    uint64_t bytes_unreadable;
    uint64_t shared_tables; /* objects that claim a table which is another's: read without it */
    uint64_t left_out;      /* objects, references, tables and blocks of memory beyond the budget */
    uint64_t done_again; /* passes that depended on the order, and were done again by one thread */
} hg_walk_counts;

/* A word of a C struct that holds a reference. */
typedef struct hg_field_rule {
    int64_t offset;
    uint32_t name; /* row, of hg_walker_name */
    uint8_t kind;  /* EdgeKind of heapgraph/model.py */
    uint8_t flags; /* EdgeFlags, there too */
} hg_field_rule;

/* How many items a buffer has. */
enum hg_buffer_count {
    HG_BUFFER_COUNT_WORD = 0,  /* the word at `count` */
    HG_BUFFER_COUNT_TUPLE = 1, /* the length of the tuple that the word at `count` refers to */
    HG_BUFFER_COUNT_ONE = 2    /* one */
};

/* A buffer outside of the object that belongs to it alone and holds no references. */
typedef struct hg_buffer_rule {
    int64_t pointer; /* offset of its address; one into the object itself is no buffer */
    int64_t count;   /* offset of what tells the number of items */
    int64_t item_size;
    int64_t flag; /* offset of a byte that is zero when it is somebody else's, or HG_ABSENT */
    uint8_t how;  /* hg_buffer_count */
    uint8_t in_getsizeof; /* 1: sys.getsizeof counts it */
} hg_buffer_rule;

/* Bits: what there is in blocks of memory that an object leads to. */
enum hg_block_contents {
    HG_BLOCK_REFERENCES = 1,
    HG_BLOCK_BYTES = 2,         /* their bytes are the object's */
    HG_BLOCK_ARROW_BUFFERS = 4, /* some are arrow::PoolBuffer, whose bytes are the object's */
    HG_BLOCK_STACK = 8          /* of a stack that was put aside: its frames are the object's */
};

/* Blocks of memory that belong to the object; their sizes are known from the allocator. */
typedef struct hg_block_rule {
    uint8_t depth;           /* how many pointers away they may be; 0: there are none */
    uint8_t raw_depth;       /* the same of plain pointers: no vector, no shared pointer of C++ */
    uint8_t contents;        /* hg_block_contents */
    uint8_t reference_depth; /* how many pointers away they may hold references */
} hg_block_rule;

/* How the objects of a type are read. */
typedef struct hg_type_rule {
    const char *type_name;       /* as CPython has it in tp_name, or "metaclass NAME" */
    const char *reader;          /* of native/walker/types/readers.cpp */
    int64_t scan_from;           /* words from this offset on are scanned as well, or HG_ABSENT */
    const hg_field_rule *fields; /* [field_count] */
    uint64_t field_count;
    const hg_buffer_rule *buffers; /* [buffer_count] */
    uint64_t buffer_count;
    hg_block_rule blocks;
    const int64_t *borrowed; /* [borrowed_count], words that lead to what is not the object's */
    uint64_t borrowed_count;
} hg_type_rule;

/* An object and the traverse function of its type, as addresses. */
typedef struct hg_traverse_job {
    uint64_t object;
    uint64_t function;
} hg_traverse_job;

/* What traverse functions visited: the targets of objects[i] are targets[ends[i - 1]] (0 before the
 * first) .. targets[ends[i] - 1]. */
typedef struct hg_visits {
    const uint64_t *objects; /* [object_count] */
    const uint64_t *ends;    /* [object_count], rising */
    uint64_t object_count;
    const uint64_t *targets; /* [ends[object_count - 1]] */
} hg_visits;

/* A type as it was read. The texts live as long as the walker. */
typedef struct hg_type {
    uint64_t address;
    int64_t basicsize;
    int64_t itemsize;
    uint64_t flags;         /* tp_flags */
    uint64_t traversed;     /* its objects whose traverse function ran */
    uint64_t disagreements; /* those it told other references of than the walker */
    const char *tp_name;    /* UTF-8 where the target's memory is sound; empty when unreadable */
    const char *reader;
    uint8_t is_python_class; /* 1: made by a class statement */
    uint8_t knows_fields;    /* 0: its body was scanned */
} hg_type;

/* The columns, one row after the other; NULL for one without rows. They live as long as the walker,
 * or until the next hg_walker_emit.
 *
 * Ids are 0..object_count-1 in the order of addresses; references are grouped by the object that
 * has them, in the same order. A value that has no room in a narrow column is the column's greatest
 * number, and lies beside it: hg_walker_large_values. */
typedef struct hg_columns {
    uint64_t object_count;
    uint64_t reference_count;
    uint64_t preview_bytes;
    const uint64_t *address;      /* [object_count], after hg_walker_complete */
    const uint16_t *type;         /* [object_count], row of hg_walker_type */
    const uint16_t *shallow_size; /* [object_count] */
    const uint16_t *getsizeof;    /* [object_count] */
    const uint16_t *refcount;     /* [object_count] */
    const uint16_t *flags;        /* [object_count], ObjectFlags of heapgraph/model.py */
    const uint8_t *age; /* [object_count], 0: not tracked, or unknown; else 1 and nine steps for
                           each doubling of the number of tracked objects that are younger */
    const uint8_t *age_part; /* [object_count], in which of the equal parts of that step; 0 is the
                                youngest */
    const uint16_t *out_degree;  /* [object_count], references of the object */
    const uint32_t *counted_in;  /* [object_count], counted references; after hg_walker_complete */
    const uint8_t *preview_size; /* [object_count], bytes in `previews` plus one; 0: none */
    const uint8_t *previews;     /* [preview_bytes], UTF-8 */
    const uint32_t *target;      /* [reference_count], object id */
    const uint32_t *label;       /* [reference_count], meaning by kind: EdgeKind; or HG_NO_ROW */
    const uint8_t *kind;         /* [reference_count], EdgeKind */
    const uint8_t *edge_flags;   /* [reference_count], EdgeFlags */
} hg_columns;

/* Bits: columns that may be given back before the others, by the caller who has a copy. */
enum hg_column {
    HG_COUNTED_IN = 1,
    HG_SHALLOW_SIZE = 2,
    HG_GETSIZEOF = 4,
    HG_REFCOUNT = 8,
    HG_OUT_DEGREE = 16,
    HG_PREVIEW_SIZE = 32
};

typedef struct hg_large_value {
    uint64_t row;
    uint64_t value;
} hg_large_value;

typedef struct hg_large_column {
    const hg_large_value *values; /* [count], by row */
    uint64_t count;
} hg_large_column;

/* What lies beside the narrow columns; lives as long as they do. */
typedef struct hg_large_values {
    hg_large_column type;
    hg_large_column shallow_size;
    hg_large_column getsizeof;
    hg_large_column refcount; /* values are int64_t */
    hg_large_column out_degree;
    hg_large_column preview_size;
} hg_large_values;

/* What was met on the way through the chunks of one heap of glibc's malloc. */
typedef struct hg_chunk_totals {
    uint64_t next; /* where it ended: the end of the heap, or the first chunk that makes no sense */
    uint64_t used_chunks;
    uint64_t used_bytes; /* with their headers */
    uint64_t free_chunks;
} hg_chunk_totals;

HG_API int hg_walker_version(void);

/* The fields of a layout, in the order in which hg_walker_new takes them; NULL for none such. */
HG_API uint64_t hg_layout_field_count(void);
HG_API const char *hg_layout_field_name(uint64_t index);

/* A walker over memory that nothing is read of yet, or NULL: the pieces or regions overlap or are
 * beyond the user's address space, or there is no room for a copy.
 * pieces: sorted, disjoint; what none covers reads as a hole. A process is one piece of
 * /proc/PID/mem. regions: readable mappings, sorted, disjoint; empty ones are passed over. layout:
 * [hg_layout_field_count()], HG_ABSENT for what the version lacks. threads: that walk, 1 or more;
 * the answers are the same for any number. */
HG_API hg_walker *hg_walker_new(const hg_file_piece *pieces, uint64_t piece_count,
                                const hg_range *regions, uint64_t region_count,
                                const int64_t *layout, uint32_t threads);
HG_API void hg_walker_free(hg_walker *walker);

/* Row of a name in the table of names, added when it is new; HG_NO_ROW when memory is short. */
HG_API uint32_t hg_walker_name(hg_walker *walker, const char *name);

/* Teaches a type; a later rule of the same name replaces an earlier one. */
HG_API int hg_walker_add_rule(hg_walker *walker, const hg_type_rule *rule);

/* filled: what of the memory holds something, sorted and disjoint; the rest is not read and taken
 * for zeros. NULL: that is not known. */
HG_API int hg_walker_set_budget(hg_walker *walker, const hg_walk_budget *budget,
                                const hg_range *filled, uint64_t filled_count);

/* Which of the regions are code and constants of files: the process cannot write there, and no
 * object is looked for there. Before anything is read. constant: sorted and disjoint; regions that
 * do not lie in one of them as a whole are others. */
HG_API int hg_walker_set_constant(hg_walker *walker, const hg_range *constant, uint64_t count);

/* Frames that threads run (up to 3.10 frame objects). */
HG_API int hg_walker_set_running_frames(hg_walker *walker, const uint64_t *frames, uint64_t count);

/* Copies a range now. *whole is 0 when part of it cannot be read. */
HG_API int hg_walker_load(hg_walker *walker, hg_range range, int *whole);

/* Pass 0: the collector's lists, by the addresses of their heads, the list of the oldest objects
 * first. Once.
 * frozen: how many of them are permanent lists; those come first.
 * in_order: 1 where objects lie in the lists in the order of their creation; else none has an age.
 */
HG_API int hg_walker_read_gc_lists(hg_walker *walker, const uint64_t *heads, uint64_t count,
                                   uint64_t frozen, int in_order);

/* Pass 1: everything that the tracked objects and these reach. */
HG_API int hg_walker_discover(hg_walker *walker, const uint64_t *seeds, uint64_t count);

/* Words of a range that are objects, known or not: addresses[i] lies at range.start + offsets[i].
 * addresses, offsets: [capacity], *found of them written. */
HG_API int hg_walker_scan_range(hg_walker *walker, hg_range range, uint64_t *addresses,
                                uint64_t *offsets, uint64_t capacity, uint64_t *found);

/* Objects in blocks in use that nothing found so far refers to, of types without a GC head: they
 * have a count, a known type and the size of their block. To be discovered like any other.
 * pools, block_sizes: [count], pymalloc's pools of pool_size bytes. addresses: [capacity], *found
 * of them written; when they are full there may be more. */
HG_API int hg_walker_lost_objects(hg_walker *walker, const uint64_t *pools,
                                  const uint32_t *block_sizes, uint64_t count, uint64_t pool_size,
                                  uint64_t *addresses, uint64_t capacity, uint64_t *found);

/* Objects whose traverse function should run, each once: until *found is 0. jobs: [capacity]. */
HG_API int hg_walker_to_traverse(hg_walker *walker, hg_traverse_job *jobs, uint64_t capacity,
                                 uint64_t *found);

/* The same of every object that has such a function, for hg_walker_compare_traversed.
 * capacity: 64 or more. */
HG_API int hg_walker_all_to_traverse(hg_walker *walker, hg_traverse_job *jobs, uint64_t capacity,
                                     uint64_t *found);

/* Learns what objects refer to from what their traverse functions visited. */
HG_API int hg_walker_add_traversed(hg_walker *walker, const hg_visits *visits);

/* Counts the disagreements by type: hg_type. */
HG_API int hg_walker_compare_traversed(hg_walker *walker, const hg_visits *visits);

/* Pass 2: makes all columns but those of hg_walker_complete.
 * statics: the program's own data, sorted and disjoint. */
HG_API int hg_walker_emit(hg_walker *walker, const hg_range *statics, uint64_t static_count);

/* Gives the copy of the memory back; columns, types and names stay. */
HG_API void hg_walker_forget_memory(hg_walker *walker);

/* Makes the columns `address` and `counted_in`. */
HG_API int hg_walker_complete(hg_walker *walker);
/* Gives columns back that nobody reads any more: bits of hg_column. */
HG_API void hg_walker_forget_columns(hg_walker *walker, uint32_t which);

/* addresses[i] of the object with ids[i], 0 for no object; after hg_walker_emit. Both [count]. */
HG_API void hg_walker_addresses(hg_walker *walker, const uint32_t *ids, uint64_t count,
                                uint64_t *addresses);

/* Objects done in the running pass. */
HG_API uint64_t hg_walker_progress(const hg_walker *walker);

HG_API void hg_walker_counts(const hg_walker *walker, hg_walk_counts *counts);
HG_API void hg_walker_columns(const hg_walker *walker, hg_columns *columns);
HG_API void hg_walker_large_values(const hg_walker *walker, hg_large_values *large);

/* NULL for no such row. */
HG_API const char *hg_walker_name_text(hg_walker *walker, uint64_t row);
HG_API int hg_walker_type(hg_walker *walker, uint64_t row, hg_type *type);

/* `size` bytes from each address, one after the other; zeros where that cannot be read.
 * out: [count * size]. */
HG_API int hg_walker_gather(hg_walker *walker, const uint64_t *addresses, uint64_t count,
                            uint64_t size, uint8_t *out);

/* Follows the chunks of glibc's malloc. Of each free one the start and the size are written:
 * free_starts, free_sizes: [capacity]; it ends early when they are full. */
HG_API int hg_walker_chunks(hg_walker *walker, hg_range heap, uint64_t *free_starts,
                            uint64_t *free_sizes, uint64_t capacity, hg_chunk_totals *totals);

/* Finds out who owns the memory of C code; after hg_walker_emit, before the memory is forgotten. */
HG_API int hg_walker_native(hg_walker *walker, const hg_native_places *places,
                            hg_native_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
