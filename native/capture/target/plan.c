#include "capture/target/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FIRST_RANGE_LIMIT = 1 << 17, /* ranges before holes are closed: a reader looks at each */
    LAST_RANGE_LIMIT = 1 << 20,  /* 16 MiB of them, and as many mappings as a kernel may allow */
    HOLE_PAGES = 16,             /* zeros of 64 KiB are packed to less than a segment's entry */
    HOLE_GROWTH = 2,
};
#define LARGEST_HOLE (UINT64_C(1) << 34) /* 16 GiB: closing such holes would be no capture */
#define REPLACED_CODE (UINT64_C(1) << 30)

enum content {
    NOTHING,
    OWN_PAGES,    /* private: what is not a page of the file that is mapped */
    SHARED_PAGES, /* memory that several processes share and no file keeps */
    EVERYTHING,
};

static bool starts_with(const struct mapping *mapping, const char *name) {
    return strncmp(mapping->path, name, strlen(name)) == 0;
}

/* A reader opens what has this path, in its own way; by its inode it would be the same file. */
static bool is_at(const char *root, const char *path, uint64_t inode) {
    char name[LINES_BUFFER];
    struct stat about;
    snprintf(name, sizeof name, "%s%s", root, path);
    name[unescape_path(name, strlen(name))] = 0;
    return stat(name, &about) == 0 && (uint64_t)about.st_ino == inode;
}

/* The file has its name no more. Only names are looked up: nothing of the target's is opened. */
static bool is_replaced(const struct plan *plan, const struct mapping *mapping) {
    char root[64];
    if (mapping_is_deleted(mapping)) return true;
    /* The kernel writes paths as they are seen from our root, or from the mount's own. */
    snprintf(root, sizeof root, "/proc/%d/root", plan->target);
    return !is_at(root, mapping->path, mapping->inode) && !is_at("", mapping->path, mapping->inode);
}

/* The mapping begins with an ELF header: its first page has the build-id, and is always stored. */
static bool is_elf_head(const struct plan *plan, const struct mapping *mapping) {
    char magic[4];
    return mapping->offset == 0 && mapping->permissions[0] == 'r' &&
           pread(plan->memory, magic, sizeof magic, (off_t)mapping->start) == sizeof magic &&
           memcmp(magic, "\177ELF", sizeof magic) == 0;
}

static enum content content_of_file(struct plan *plan, const struct mapping *mapping,
                                    bool *stores_head) {
    *stores_head = is_elf_head(plan, mapping);
    if (*stores_head) {
        plan->code_inode = mapping->inode;
        plan->code_is_replaced = is_replaced(plan, mapping);
    } else if (mapping->inode != plan->code_inode) {
        plan->code_inode = 0;
        plan->code_is_replaced = false;
    }
    const uint64_t size = mapping->end - mapping->start;
    if (!plan->code_is_replaced || size > plan->code_left) return OWN_PAGES;
    plan->code_left -= size;
    return EVERYTHING;
}

static enum content content_of(struct plan *plan, const struct mapping *mapping,
                               bool *stores_head) {
    const bool is_memory = starts_with(mapping, "/dev/zero") || starts_with(mapping, "/dev/shm/");
    *stores_head = false;
    if (starts_with(mapping, "[vvar") || starts_with(mapping, "[vsyscall]")) return NOTHING;
    if (starts_with(mapping, "[vdso]")) return EVERYTHING;
    if (starts_with(mapping, "/dev/") && !is_memory)
        return NOTHING; /* a device: a look at its memory may do something */
    if (mapping_is_shared(mapping))
        return is_memory || mapping_is_deleted(mapping) ? SHARED_PAGES : NOTHING;
    if (mapping_has_file(mapping) && !is_memory) return content_of_file(plan, mapping, stores_head);
    return OWN_PAGES;
}

uint64_t range_start(const struct range *range) {
    return range->start & ~(RANGE_OPENS | RANGE_SHARED);
}

/* Store the smaller holes too, so that fewer ranges are left. */
static void close_holes(struct plan *plan) {
    size_t kept = 0;
    for (size_t i = 1; i < plan->range_count; i++) {
        struct range *last = &plan->ranges[kept];
        const struct range *next = &plan->ranges[i];
        if ((next->start & RANGE_OPENS) == 0 && range_start(next) - last->end < plan->smallest_hole)
            last->end = next->end;
        else
            plan->ranges[++kept] = *next;
    }
    plan->range_count = kept + 1;
}

/* Close holes while that helps; else, with very many mappings, allow more ranges. */
static bool make_room(struct plan *plan) {
    while (plan->range_count > plan->range_limit / 2 && plan->smallest_hole < LARGEST_HOLE) {
        plan->smallest_hole *= HOLE_GROWTH;
        close_holes(plan);
    }
    if (plan->range_count > plan->range_limit / 2) {
        plan->range_limit *= 2;
        plan->smallest_hole = HOLE_PAGES * PAGE;
    }
    errno = E2BIG;
    return plan->range_limit <= LAST_RANGE_LIMIT;
}

struct addition {
    struct plan *plan;
    uint64_t marks;
};

static bool add_range(void *context, uint64_t start, uint64_t end) {
    const struct addition *addition = context;
    struct plan *plan = addition->plan;
    if (!plan->opens) {
        struct range *last = &plan->ranges[plan->range_count - 1];
        if (start < last->end) start = last->end;
        if (end <= start) return true;
        if (start - last->end < plan->smallest_hole) {
            last->end = end;
            return true;
        }
    }
    if (plan->range_count == plan->range_limit && !make_room(plan)) return false;
    plan->ranges[plan->range_count++] = (struct range){
        .start = start | addition->marks | (plan->opens ? RANGE_OPENS : 0), .end = end};
    plan->opens = false;
    return true;
}

static bool add_mapping(struct plan *plan, const struct mapping *mapping) {
    struct addition addition = {.plan = plan};
    bool stores_head;
    const enum content content = content_of(plan, mapping, &stores_head);
    plan->opens = true;
    if (stores_head && !add_range(&addition, mapping->start, mapping->start + PAGE)) return false;
    switch (content) {
    case NOTHING: return true;
    case EVERYTHING: return add_range(&addition, mapping->start, mapping->end);
    case SHARED_PAGES:
        addition.marks = RANGE_SHARED;
        return page_map_each(&plan->shared, mapping->start, mapping->end, PAGES_FILLED, add_range,
                             &addition);
    case OWN_PAGES:
        return page_map_each(&plan->pages, mapping->start, mapping->end, PAGES_OWN, add_range,
                             &addition);
    }
    return true;
}

static bool count_segment(void *context, const struct segment *segment) {
    struct plan *plan = context;
    plan->segments++;
    plan->stored += segment->stored;
    return true;
}

static bool open_files(struct plan *plan) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", plan->frozen);
    plan->memory = open(path, O_RDONLY | O_CLOEXEC);
    return plan->memory >= 0 && page_map_open(&plan->pages, plan->frozen) &&
           page_map_open(&plan->shared, plan->target);
}

static bool add_mappings(struct plan *plan) {
    static struct lines lines;
    struct mapping mapping;
    bool fine = true;
    if (!lines_open(&lines, plan->frozen, "maps")) return false;
    while (fine && maps_next(&lines, &mapping)) fine = add_mapping(plan, &mapping);
    const int error = lines.failed ? EIO : errno;
    fine = fine && !lines.failed;
    lines_close(&lines);
    errno = error;
    return fine;
}

bool plan_make(struct plan *plan, pid_t target, pid_t frozen, struct failure *failure) {
    *plan = (struct plan){.target = target,
                          .frozen = frozen,
                          .memory = -1,
                          .pages.file = -1,
                          .shared.file = -1,
                          .range_limit = FIRST_RANGE_LIMIT,
                          .smallest_hole = HOLE_PAGES * PAGE,
                          .code_left = REPLACED_CODE,
                          .ranges = reserve(LAST_RANGE_LIMIT * sizeof *plan->ranges)};
    if (plan->ranges != NULL && open_files(plan) && add_mappings(plan) &&
        plan_each_segment(plan, count_segment, plan))
        return true;
    *failure = (struct failure){"read", errno, "its mappings cannot be read"};
    return false;
}

void plan_close(struct plan *plan) {
    close(plan->memory);
    page_map_close(&plan->pages);
    page_map_close(&plan->shared);
}

/* A mapping in parts: what is before the first range, and each range with what is behind it. */
static bool give_mapping(const struct plan *plan, const struct mapping *mapping, size_t *next,
                         segment_taker *take, void *context) {
    struct segment segment = {.readable = mapping->permissions[0] == 'r',
                              .writable = mapping->permissions[1] == 'w',
                              .executable = mapping->permissions[2] == 'x'};
    const struct range *range = &plan->ranges[*next], *end = &plan->ranges[plan->range_count];
    uint64_t at = mapping->start;
    while (at < mapping->end) {
        const bool is_stored = range < end && range_start(range) == at;
        segment.start = at;
        segment.stored = is_stored ? range->end - at : 0;
        range += is_stored;
        at = range < end && range_start(range) < mapping->end ? range_start(range) : mapping->end;
        segment.size = at - segment.start;
        if (!take(context, &segment)) return false;
    }
    *next = (size_t)(range - plan->ranges);
    return true;
}

bool plan_each_segment(const struct plan *plan, segment_taker *take, void *context) {
    static struct lines lines;
    struct mapping mapping;
    size_t next = 0;
    bool fine = lines_open(&lines, plan->frozen, "maps");
    if (!fine) return false;
    while (fine && maps_next(&lines, &mapping))
        if (!starts_with(&mapping, "[vsyscall]")) /* the kernel's, not the process's */
            fine = give_mapping(plan, &mapping, &next, take, context);
    fine = fine && !lines.failed && next == plan->range_count;
    lines_close(&lines);
    return fine;
}
