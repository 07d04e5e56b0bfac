#include "capture/target/maps.h"

#include <stdlib.h>
#include <string.h>

static const char DELETED[] = " (deleted)";

enum { MAX_SIZES = 1 << 18 }; /* four times what a process may map by default */

bool parse_mapping(char *line, size_t length, struct mapping *mapping) {
    char *at;
    const char *end = line + length;
    mapping->start = strtoull(line, &at, 16);
    if (at == line || *at != '-') return false;
    mapping->end = strtoull(at + 1, &at, 16);
    if (*at != ' ' || end - at < 6) return false;
    mapping->permissions = at + 1;
    mapping->offset = strtoull(at + 6, &at, 16);
    if (*at != ' ' || (at = strchr(at + 1, ' ')) == NULL) /* behind the device */
        return false;
    mapping->inode = strtoull(at, &at, 10);
    while (*at == ' ') at++;
    mapping->path = at;
    mapping->path_length = (size_t)(end - at);
    return true;
}

bool maps_next(struct lines *lines, struct mapping *mapping) {
    size_t length;
    char *line;
    while ((line = lines_next(lines, &length)) != NULL)
        if (parse_mapping(line, length, mapping)) return true;
    return false;
}

bool mapping_is_shared(const struct mapping *mapping) { return mapping->permissions[3] == 's'; }

bool mapping_is_deleted(const struct mapping *mapping) {
    const size_t length = sizeof DELETED - 1;
    return mapping->path_length > length &&
           strcmp(mapping->path + mapping->path_length - length, DELETED) == 0;
}

bool mapping_has_file(const struct mapping *mapping) { return mapping->path[0] == '/'; }

size_t unescape_path(char *path, size_t length) {
    size_t to = 0;
    for (size_t from = 0; from < length; to++) {
        const bool is_line_feed = length - from >= 4 && memcmp(path + from, "\\012", 4) == 0;
        path[to] = is_line_feed ? '\n' : path[from];
        from += is_line_feed ? 4 : 1;
    }
    path[to] = 0;
    return to;
}

static uint64_t kibibytes(const char *line, const char *name) {
    return strtoull(line + strlen(name), NULL, 10) << 10;
}

static bool starts_with(const char *line, const char *name) {
    return strncmp(line, name, strlen(name)) == 0;
}

void read_sizes(pid_t pid, struct size_table *table) {
    static struct lines lines;
    *table = (struct size_table){.rows = reserve(MAX_SIZES * sizeof *table->rows)};
    if (table->rows == NULL || !lines_open(&lines, pid, "smaps")) return;
    struct sizes *row = NULL;
    bool is_private = false;
    char *line;
    for (size_t length; (line = lines_next(&lines, &length)) != NULL;) {
        struct mapping mapping;
        if (*line >= 'A' && *line <= 'Z') { /* a fact of the mapping: addresses begin otherwise */
            if (row == NULL) continue;
            if (starts_with(line, "Rss:"))
                row->rss = kibibytes(line, "Rss:");
            else if (starts_with(line, "Pss:"))
                row->pss = kibibytes(line, "Pss:");
            else if (starts_with(line, "Private_Dirty:"))
                row->dirty = kibibytes(line, "Private_Dirty:");
            else if (starts_with(line, "VmFlags:") &&
                     (strstr(line, " um") != NULL || strstr(line, " uw") != NULL))
                table->handles_faults = true;
            else if (is_private && starts_with(line, "VmFlags:") &&
                     (strstr(line, " dc") != NULL || strstr(line, " wf") != NULL))
                table->withheld += row->rss;
        } else if (parse_mapping(line, length, &mapping)) {
            if (table->count == MAX_SIZES) break;
            row = &table->rows[table->count++];
            row->start = mapping.start;
            is_private = !mapping_is_shared(&mapping) && mapping.permissions[1] == 'w';
        }
    }
    lines_close(&lines);
}

const struct sizes *find_sizes(const struct size_table *table, uint64_t start, size_t *from) {
    while (*from < table->count && table->rows[*from].start < start) ++*from;
    const bool is_found = *from < table->count && table->rows[*from].start == start;
    return is_found ? &table->rows[*from] : NULL;
}
