#include "capture/target/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/fs.h, newer than the headers of the oldest system this is built on. */
struct scan_region {
    uint64_t start, end, categories;
};
struct scan_arguments {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t inverted, mask, any_of, returned;
};
#define SCAN _IOWR('f', 16, struct scan_arguments)
enum { IS_FILE = 1 << 2, IS_PRESENT = 1 << 3, IS_SWAPPED = 1 << 4, IS_ZERO = 1 << 5 };

/* An entry of the map (Documentation/admin-guide/mm/pagemap.rst). */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61)

enum { REGIONS = 4096, ENTRIES = 8192 };

bool page_map_open(struct page_map *map, pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
    *map = (struct page_map){.file = open(path, O_RDONLY | O_CLOEXEC), .can_scan = true};
    return map->file >= 0;
}

void page_map_close(struct page_map *map) { close(map->file); }

static bool scan(struct page_map *map, uint64_t start, uint64_t end, enum page_kind kind,
                 page_taker *take, void *context) {
    static struct scan_region regions[REGIONS];
    uint64_t given = start; /* the kernel may stop before what it has told, and tell it again */
    const uint64_t unwanted = kind == PAGES_OWN ? IS_ZERO | IS_FILE : IS_ZERO;
    const uint64_t wanted = kind == PAGES_RESIDENT ? IS_PRESENT : IS_PRESENT | IS_SWAPPED;
    while (start < end) {
        struct scan_arguments arguments = {.size = sizeof arguments,
                                           .start = start,
                                           .end = end,
                                           .regions = (uintptr_t)regions,
                                           .region_count = REGIONS,
                                           .inverted = unwanted,
                                           .mask = unwanted,
                                           .any_of = wanted,
                                           .returned = wanted};
        const int count = ioctl(map->file, SCAN, &arguments);
        if (count < 0) return false;
        for (int i = 0; i < count; i++) {
            const uint64_t from = regions[i].start > given ? regions[i].start : given;
            if (regions[i].end <= from) continue;
            given = regions[i].end;
            if (!take(context, from, given)) return false;
        }
        if (arguments.walk_end <= start) break;
        start = arguments.walk_end;
    }
    return true;
}

static bool is_wanted(uint64_t entry, enum page_kind kind) {
    const uint64_t wanted = kind == PAGES_RESIDENT ? ENTRY_PRESENT : ENTRY_PRESENT | ENTRY_SWAPPED;
    return (entry & wanted) != 0 && !(kind == PAGES_OWN && (entry & ENTRY_FILE) != 0);
}

static bool read_entries(struct page_map *map, uint64_t start, uint64_t end, enum page_kind kind,
                         page_taker *take, void *context) {
    static uint64_t entries[ENTRIES];
    while (start < end) {
        const uint64_t left = (end - start) / PAGE;
        const size_t asked = left < ENTRIES ? (size_t)left : ENTRIES;
        const ssize_t got = pread(map->file, entries, asked * sizeof *entries,
                                  (off_t)(start / PAGE * sizeof *entries));
        if (got <= 0) return got == 0; /* behind the last address of the process */
        const size_t count = (size_t)got / sizeof *entries;
        for (size_t i = 0, behind; i < count; i = behind) {
            for (behind = i; behind < count && is_wanted(entries[behind], kind);) behind++;
            if (behind > i && !take(context, start + i * PAGE, start + behind * PAGE)) return false;
            behind += behind == i;
        }
        start += count * PAGE;
    }
    return true;
}

bool page_map_each(struct page_map *map, uint64_t start, uint64_t end, enum page_kind kind,
                   page_taker *take, void *context) {
    if (map->can_scan) {
        errno = 0;
        if (scan(map, start, end, kind, take, context)) return true;
        if (errno != ENOTTY && errno != EINVAL) return false;
        map->can_scan = false; /* this kernel knows no such order, and has given nothing */
    }
    return read_entries(map, start, end, kind, take, context);
}
