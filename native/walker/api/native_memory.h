/* Structs of walker.h about memory of C code; only walker.h includes this file. */
#ifndef HEAPGRAPH_NATIVE_MEMORY_H
#define HEAPGRAPH_NATIVE_MEMORY_H

/* Blocks of one size of an allocator that keeps its books elsewhere, one behind the other. */
typedef struct hg_slab {
    uint64_t start;
    uint64_t size; /* of a block */
    uint32_t count;
    uint32_t source; /* which allocator's they are: told back for those that no object leads to */
} hg_slab;

/* Where memory of C code is, and what may lead to it. All ranges: sorted, disjoint. */
typedef struct hg_native_places {
    const hg_range *heaps; /* [heap_count], of glibc's malloc, from the header of the first chunk */
    uint64_t heap_count;
    const hg_range *chunks; /* [chunk_count], those with a mapping of their own */
    uint64_t chunk_count;
    const uint64_t *pools;       /* [pool_count], of CPython's own allocator */
    const uint32_t *block_sizes; /* [pool_count], of its blocks */
    uint64_t pool_count;
    uint64_t pool_size;
    uint64_t pool_bytes; /* in use in them: where objects explain these, no block is looked for in
                            pools; 0: they are looked at in any case */
    const hg_range *resident; /* [resident_count], what of heaps and chunks is in memory */
    uint64_t resident_count;
    const hg_range *libraries; /* [library_count], variables of libraries and of the interpreter */
    uint64_t library_count;
    const hg_range *stacks; /* [stack_count], stacks, and memory that nothing is known of */
    uint64_t stack_count;
    const hg_slab *slabs; /* [slab_count], of other allocators than glibc's malloc */
    uint64_t slab_count;
    const uint64_t *slab_words; /* [slab_word_count], for each slab in its order: bits of its blocks
                                   in use, the lowest first, in words of its own */
    uint64_t slab_word_count;
    uint64_t most_bytes; /* of tables that may be made for it */
} hg_native_places;

/* Who owns native memory: heapgraph/model.py, NativeKind. */
enum hg_native_kind {
    HG_NATIVE_OBJECT = 0,  /* one object leads to it */
    HG_NATIVE_SHARED = 1,  /* several do; none listed: too many */
    HG_NATIVE_LIBRARY = 2, /* only words of libraries do */
    HG_NATIVE_STACK = 3,   /* only words of stacks do */
    HG_NATIVE_LOST = 4,    /* nothing does */
    HG_NATIVE_UNOWNED = 7  /* no object does, and another allocator than malloc has it */
};

/* Native memory of the same owners, grade and kind: chunks in use that no object is known to have,
 * and small blocks that are no objects where something leads there. Of lost memory, that of one
 * size class. */
typedef struct hg_native_row {
    uint64_t bytes;  /* in memory, with the headers of the chunks */
    uint64_t blocks; /* chunks */
    uint64_t first;  /* its owners are owners[first] .. owners[first + count - 1]; */
    uint64_t count;  /* of lost memory: 0, and `first` is the size that no chunk is larger than; of
                        unowned memory: 0, and `first` is the source of its slabs */
    uint8_t kind;    /* hg_native_kind */
    uint8_t grade;   /* 1: a pointer of the object itself, 2: a chain of pointers, 3: doubtful */
} hg_native_row;

/* Lives as long as the walker, or until the next hg_walker_native. */
typedef struct hg_native_memory {
    const hg_native_row *rows; /* [row_count] */
    uint64_t row_count;
    const uint64_t *owners; /* [owner_count], ids of objects; of libraries and stacks the addresses
                               of the words */
    uint64_t owner_count;
    uint64_t chunks;
    uint64_t edges;
    uint64_t small_bytes; /* of the bytes of all rows, those of small blocks */
    uint8_t is_left_out;  /* 1: more chunks or edges than most_bytes has room for; no rows */
} hg_native_memory;

#endif
