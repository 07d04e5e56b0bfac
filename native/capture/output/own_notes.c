#include "capture/output/own_notes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char OWNER[] = "heapgraph";

bool note_padding(struct sink *sink, uint64_t length) { return sink_zeros(sink, -length % 4); }

bool note_head(struct sink *sink, const char *owner, uint32_t type, uint64_t length) {
    const uint32_t owner_length = (uint32_t)strlen(owner) + 1;
    const uint32_t head[] = {owner_length, (uint32_t)length, type};
    return sink_put(sink, head, sizeof head) && sink_put(sink, owner, owner_length) &&
           note_padding(sink, owner_length);
}

static bool write_note(struct sink *sink, uint32_t type, const char *content, size_t length) {
    return note_head(sink, OWNER, type, length) && sink_put(sink, content, length) &&
           note_padding(sink, length);
}

static bool write_facts(struct sink *sink, const struct facts *facts) {
    char text[1024];
    const int length =
        snprintf(text, sizeof text,
                 "version=1\nmethod=%s\npause_ns=%" PRId64 "\npid=%d\nrss=%" PRIu64
                 "\nstarted=%" PRId64 "\ntaken=%" PRId64 "\nwithheld=%" PRIu64 "\nhostname=%s\n",
                 facts->method, facts->pause_ns, facts->pid, facts->rss, facts->started,
                 facts->taken, facts->sizes.withheld, facts->hostname);
    return write_note(sink, NOTE_FACTS, text, (size_t)length);
}

static bool write_paths(struct sink *sink, const struct facts *facts) {
    const size_t path = strlen(facts->executable) + 1;
    const uint64_t length = path + facts->command_line_length;
    return note_head(sink, OWNER, NOTE_PATHS, length) && sink_put(sink, facts->executable, path) &&
           sink_put(sink, facts->command_line, facts->command_line_length) &&
           note_padding(sink, length);
}

/* The mappings are those that stand still; their sizes are those from before. */
static bool write_map_lines(struct notes *notes, struct sink *sink) {
    static struct lines lines;
    struct mapping mapping;
    size_t from = 0;
    bool fine = lines_open(&lines, notes->plan->frozen, "maps");
    if (!fine) return false;
    while (fine && maps_next(&lines, &mapping)) {
        char head[160];
        const struct sizes *known = find_sizes(&notes->facts->sizes, mapping.start, &from);
        const struct sizes sizes = known == NULL ? (struct sizes){0} : *known;
        const int length = snprintf(head, sizeof head,
                                    "%" PRIx64 "-%" PRIx64 " %.4s %" PRIx64 " %" PRIu64 " %" PRIu64
                                    " %" PRIu64 " ",
                                    mapping.start, mapping.end, mapping.permissions, mapping.offset,
                                    sizes.rss >> 10, sizes.pss >> 10, sizes.dirty >> 10);
        fine = sink_put(sink, head, (size_t)length) &&
               sink_put(sink, mapping.path, mapping.path_length) && sink_put(sink, "\n", 1);
    }
    fine = fine && !lines.failed;
    lines_close(&lines);
    return fine;
}

static bool write_maps(struct notes *notes, struct sink *sink) {
    if (notes->maps_length == 0) {
        struct sink measure = {.counts_only = true};
        if (!write_map_lines(notes, &measure)) return false;
        notes->maps_length = measure.length;
    }
    return note_head(sink, OWNER, NOTE_MAPS, notes->maps_length) && write_map_lines(notes, sink) &&
           note_padding(sink, notes->maps_length);
}

/* Bits in the order of the stored pages, given as runs. */
struct bits {
    struct sink *sink;
    uint64_t at; /* address of the page whose bit is next */
    unsigned char bytes[4096];
    size_t filled; /* bits in them */
};

static bool add_bits(struct bits *bits, bool value, uint64_t count) {
    for (; count > 0; count--) {
        const size_t place = bits->filled / 8, bit = bits->filled % 8;
        if (bit == 0) bits->bytes[place] = 0;
        bits->bytes[place] |= (unsigned char)(value << bit);
        if (++bits->filled == sizeof bits->bytes * 8) {
            bits->filled = 0;
            if (!sink_put(bits->sink, bits->bytes, sizeof bits->bytes)) return false;
        }
    }
    return true;
}

static bool add_resident(void *context, uint64_t start, uint64_t end) {
    struct bits *bits = context;
    const bool fine = add_bits(bits, false, (start - bits->at) / PAGE) &&
                      add_bits(bits, true, (end - start) / PAGE);
    bits->at = end;
    return fine;
}

/* Looked up once more, and before the first of these pages is read. */
static bool write_pages(struct notes *notes, struct sink *sink) {
    static struct bits bits;
    struct plan *plan = notes->plan;
    const uint64_t pages = plan->stored / PAGE, length = (pages + 7) / 8;
    if (!note_head(sink, OWNER, NOTE_PAGES, length)) return false;
    if (sink->counts_only) {
        sink->length += length;
        return note_padding(sink, length);
    }
    bits = (struct bits){.sink = sink};
    for (size_t i = 0; i < plan->range_count; i++) {
        const struct range *range = &plan->ranges[i];
        const bool is_shared = (range->start & RANGE_SHARED) != 0;
        bits.at = range_start(range);
        if (!page_map_each(is_shared ? &plan->shared : &plan->pages, bits.at, range->end,
                           PAGES_RESIDENT, add_resident, &bits) ||
            !add_bits(&bits, false, (range->end - bits.at) / PAGE))
            return false;
    }
    return sink_put(sink, bits.bytes, (bits.filled + 7) / 8) && note_padding(sink, length);
}

bool write_own_notes(struct notes *notes, struct sink *sink) {
    return write_facts(sink, notes->facts) && write_paths(sink, notes->facts) &&
           write_maps(notes, sink) && write_pages(notes, sink);
}
