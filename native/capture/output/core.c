#include "capture/output/core.h"

#include "capture/output/notes.h"
#include "capture/output/output.h"
#include "capture/output/sink.h"
#include "freeze/arch/machine.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

static uint64_t whole_pages(uint64_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

/* More segments than the header can say are said in the only section, as the kernel does it. */
static bool has_section(uint64_t segments) { return segments >= PN_XNUM; }

static bool write_header(struct sink *sink, uint64_t segments) {
    Elf64_Ehdr header = {.e_type = ET_CORE,
                         .e_machine = ARCH_ELF_MACHINE,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof header,
                         .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = (Elf64_Half)segments};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    if (has_section(segments)) {
        header.e_phnum = PN_XNUM;
        header.e_shoff = sizeof header + segments * sizeof(Elf64_Phdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
        header.e_shnum = 1;
    }
    return sink_put(sink, &header, sizeof header);
}

struct table {
    struct sink *sink;
    uint64_t place; /* of the next stored byte in the file */
};

static bool write_segment(void *context, const struct segment *segment) {
    struct table *table = context;
    const Elf64_Phdr entry = {.p_type = PT_LOAD,
                              .p_flags = (segment->readable ? PF_R : 0) |
                                         (segment->writable ? PF_W : 0) |
                                         (segment->executable ? PF_X : 0),
                              .p_offset = table->place,
                              .p_vaddr = segment->start,
                              .p_filesz = segment->stored,
                              .p_memsz = segment->size,
                              .p_align = PAGE};
    table->place += segment->stored;
    return sink_put(table->sink, &entry, sizeof entry);
}

/* A page that nobody can read (behind the end of its file) is zeros, as in the kernel's cores. */
static bool write_range(const struct plan *plan, const struct range *range, struct sink *sink) {
    static char chunk[CHUNK];
    for (uint64_t at = range_start(range); at < range->end;) {
        const uint64_t left = range->end - at, size = left < CHUNK ? left : CHUNK;
        if (!output_may_go_on(sink->failure)) return false;
        ssize_t got = pread(plan->memory, chunk, size, (off_t)at);
        if (got == 0 || (got < 0 && errno != EIO && errno != EFAULT)) {
            *sink->failure =
                (struct failure){"ended", got < 0 ? errno : ESRCH, "the frozen memory went away"};
            return false;
        }
        if (got < 0) {
            got = (ssize_t)PAGE;
            memset(chunk, 0, PAGE);
        }
        if (!sink_put(sink, chunk, (size_t)got)) return false;
        at += (uint64_t)got;
    }
    return true;
}

static bool write_memory(const struct plan *plan, struct sink *sink) {
    for (size_t i = 0; i < plan->range_count; i++)
        if (!write_range(plan, &plan->ranges[i], sink)) return false;
    return true;
}

/* Everything before the memory; `length` is that of the notes, `place` where the memory begins. */
static bool write_head(struct notes *notes, struct sink *sink, uint64_t length, uint64_t place) {
    const uint64_t segments = notes->plan->segments + 1;
    struct table table = {.sink = sink, .place = place};
    const Elf64_Shdr section = {.sh_info = (Elf64_Word)segments};
    const Elf64_Phdr note = {.p_type = PT_NOTE,
                             .p_flags = PF_R,
                             .p_filesz = length,
                             .p_align = 4,
                             .p_offset = sizeof(Elf64_Ehdr) + segments * sizeof note +
                                         (has_section(segments) ? sizeof section : 0)};
    return write_header(sink, segments) && sink_put(sink, &note, sizeof note) &&
           plan_each_segment(notes->plan, write_segment, &table) &&
           (!has_section(segments) || sink_put(sink, &section, sizeof section)) &&
           write_notes(notes, sink) && sink->length <= place &&
           sink_zeros(sink, place - sink->length);
}

/* A pause ends before the stream does: one that was none leaves a stream without its end. */
static bool end_pause(struct facts *facts, struct failure *failure) {
    if (!pause_is_held() || pause_release(&facts->pause_ns)) return true;
    *failure = (struct failure){"woke", EAGAIN, "a thread woke while its memory was read"};
    return false;
}

bool write_core(struct facts *facts, struct plan *plan, struct failure *failure) {
    struct notes notes = {.facts = facts, .plan = plan};
    struct sink measure = {.counts_only = true, .failure = failure};
    struct sink sink = {.failure = failure};
    *failure = (struct failure){"read", EIO, "its mappings changed while they were read"};
    if (!write_notes(&notes, &measure)) return false;
    const uint64_t segments = plan->segments + 1, length = measure.length;
    const uint64_t place = whole_pages(sizeof(Elf64_Ehdr) + segments * sizeof(Elf64_Phdr) +
                                       (has_section(segments) ? sizeof(Elf64_Shdr) : 0) + length);
    const struct failure changed = *failure;
    if (!pack_begin(place + plan->stored, failure)) return false;
    *failure = changed;
    return write_head(&notes, &sink, length, place) && write_memory(plan, &sink) &&
           end_pause(facts, failure) && pack_end(failure);
}
