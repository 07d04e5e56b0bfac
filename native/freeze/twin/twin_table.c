#include "freeze/twin/twin_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    LOWEST = 1 << 16,    /* vm.mmap_min_addr nearly everywhere */
    SPARE_MAPPINGS = 64, /* for the stub, its memory, and what allocators ask for */
    DEFAULT_MAPPINGS = 65530,
    MAX_FILES = 1 << 14,       /* that are counted */
    MEMORY_FILES = 0x01021994, /* TMPFS_MAGIC, linux/magic.h: also the files of memfd_create */
};

/* The last page below the end of user space (47 bits, of which the kernel keeps one page). */
static const uint64_t end_of_user_space = ((uint64_t)1 << 47) - PAGE;
static const uint64_t growth_allowed = (uint64_t)256 << 20;

bool table_row(int table, uint64_t number, struct twin_row *row) {
    return pread(table, row, sizeof *row, (off_t)(number * sizeof *row)) == (ssize_t)sizeof *row;
}

static uint64_t most_mappings(void) {
    char text[32] = "";
    int file = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!read(file, text, sizeof text - 1);
        close(file);
    }
    unsigned long long most = 0;
    return sscanf(text, "%llu", &most) == 1 && most > SPARE_MAPPINGS ? most : DEFAULT_MAPPINGS;
}

static bool row_is_usable(const struct twin_row *row, uint64_t free_from) {
    const uint64_t all = row->start | row->size | row->offset | row->in_file;
    return all % PAGE == 0 && row->size > 0 && row->start >= free_from &&
           row->start < end_of_user_space && row->size <= end_of_user_space - row->start &&
           row->in_file <= row->size && row->offset <= (uint64_t)LLONG_MAX - row->in_file &&
           (row->in_file == 0 || row->descriptor <= INT_MAX) &&
           (row->protection & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC)) == 0;
}

bool table_is_usable(int table, uint64_t *count, struct failure *failure) {
    struct stat about;
    struct twin_row row;
    uint64_t free_from = LOWEST, mappings = 0;
    *failure = (struct failure){"twin", EINVAL, "the list of its memory cannot be read"};
    if (fstat(table, &about) != 0 || about.st_size < 0 || (size_t)about.st_size % sizeof row != 0)
        return false;
    *count = (uint64_t)about.st_size / sizeof row;
    for (uint64_t i = 0; i < *count; i++) {
        if (!table_row(table, i, &row)) return false;
        if (!row_is_usable(&row, free_from)) {
            *failure = (struct failure){"twin", EINVAL, "its memory overlaps or is out of bounds"};
            return false;
        }
        free_from = row.start + row.size;
        mappings += 1 + (row.in_file > 0 && row.in_file < row.size);
    }
    *failure = (struct failure){"twin", ENOMEM, "it has more mappings than vm.max_map_count"};
    return mappings + SPARE_MAPPINGS <= most_mappings();
}

uint64_t table_free_page(int table, uint64_t count, uint64_t from) {
    struct twin_row row;
    uint64_t free_from = LOWEST;
    for (uint64_t i = 0; i <= count; i++) {
        row = (struct twin_row){.start = end_of_user_space};
        if (i < count && !table_row(table, i, &row)) return 0;
        uint64_t page = free_from + PAGE > from ? free_from + PAGE : from;
        if (page + 2 * PAGE <= row.start) return page;
        free_from = row.start + row.size;
    }
    return 0;
}

/* What is there already of files of memory counts as ours when it is mapped. */
static uint64_t memory_of_file(int file) {
    struct stat about;
    struct statfs system;
    if (fstat(file, &about) != 0 || fstatfs(file, &system) != 0) return 0;
    uint64_t present = (uint64_t)about.st_blocks * 512, page_tables = present / 256;
    return system.f_type == MEMORY_FILES ? present + page_tables : page_tables;
}

uint64_t table_memory_allowed(int table, uint64_t count) {
    bool seen[MAX_FILES] = {false};
    struct twin_row row;
    uint64_t allowed = growth_allowed;
    for (uint64_t i = 0; i < count && table_row(table, i, &row); i++) {
        if (row.in_file == 0 || row.descriptor >= MAX_FILES || seen[row.descriptor]) continue;
        seen[row.descriptor] = true;
        allowed += memory_of_file((int)row.descriptor);
    }
    return allowed;
}

void table_close_files(int table, uint64_t count) {
    struct twin_row row;
    for (uint64_t i = 0; i < count && table_row(table, i, &row); i++)
        if (row.in_file > 0 && row.descriptor > STDERR_FILENO && row.descriptor <= INT_MAX &&
            (int)row.descriptor != table)
            close((int)row.descriptor); /* again for the next row: no error that matters */
    close(table);
}
