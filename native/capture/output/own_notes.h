/* The notes whose owner is "heapgraph", and what all notes are made of. */
#ifndef HEAPGRAPH_CAPTURE_OWN_NOTES_H
#define HEAPGRAPH_CAPTURE_OWN_NOTES_H

#include "capture/output/notes.h"

bool write_own_notes(struct notes *notes, struct sink *sink);

/* Everything of a note before its content, and the zeros behind a content of `length` bytes. */
bool note_head(struct sink *sink, const char *owner, uint32_t type, uint64_t length);
bool note_padding(struct sink *sink, uint64_t length);

#endif
