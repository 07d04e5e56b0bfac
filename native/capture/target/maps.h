/* The mappings of a process, as /proc/PID/maps lists them, and the sizes of smaps. */
#ifndef HEAPGRAPH_CAPTURE_MAPS_H
#define HEAPGRAPH_CAPTURE_MAPS_H

#include "capture/target/lines.h"

#include <stdint.h>

#define PAGE UINT64_C(4096)

struct mapping {
    uint64_t start, end, offset, inode;
    const char *permissions; /* four characters, as in "rw-p" */
    const char *path;        /* as the kernel writes it, where a line feed is \012; "" for none */
    size_t path_length;
};

/* Parse a line; false for one that is no mapping. The mapping points into the line. */
bool parse_mapping(char *line, size_t length, struct mapping *mapping);

bool maps_next(struct lines *lines, struct mapping *mapping);

bool mapping_is_shared(const struct mapping *mapping);
bool mapping_is_deleted(const struct mapping *mapping);

/* The path is that of a file, also of one that was deleted, and of a device. */
bool mapping_has_file(const struct mapping *mapping);

/* Undo the kernel's writing of line feeds, in place; the new length. */
size_t unescape_path(char *path, size_t length);

/* Bytes of a mapping before the freeze. */
struct sizes {
    uint64_t start, rss, pss, dirty;
};

/* What smaps says of a running process, in address order. */
struct size_table {
    struct sizes *rows;
    size_t count;
    bool handles_faults; /* of its own, of some memory: userfaultfd */
    uint64_t withheld;   /* resident bytes that a clone does not get (MADV_DONTFORK, WIPEONFORK) */
};

/* Read them; a table that cannot be read is empty. */
void read_sizes(pid_t pid, struct size_table *table);

/* The row of a mapping; NULL where there was none. `from` is where to search, and is moved on. */
const struct sizes *find_sizes(const struct size_table *table, uint64_t start, size_t *from);

#endif
