/* The notes of the core file: those of every core, and of our own what only a live process tells.
 */
#ifndef HEAPGRAPH_CAPTURE_NOTES_H
#define HEAPGRAPH_CAPTURE_NOTES_H

#include "capture/output/sink.h"
#include "capture/target/facts.h"
#include "capture/target/plan.h"

/* Types of the notes whose owner is "heapgraph" (docs/core-files.md). */
enum {
    NOTE_FACTS = 0x48470001, /* lines "name=value" */
    NOTE_PATHS,              /* the executable, a NUL, and the arguments, each with a NUL */
    NOTE_MAPS,  /* a line for each mapping: that of maps, with rss, pss and dirty KiB */
    NOTE_PAGES, /* a bit for each stored page, lowest first: it was in memory */
};

/* Write the notes. Twice: once to measure them. */
struct notes {
    const struct facts *facts;
    struct plan *plan;
    uint64_t maps_length; /* 0: not measured yet */
};
bool write_notes(struct notes *notes, struct sink *sink);

#endif
