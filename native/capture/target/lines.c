#include "capture/target/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_proc(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool lines_open(struct lines *lines, pid_t pid, const char *name) {
    lines->begin = lines->end = 0;
    lines->failed = false;
    lines->file = open_proc(pid, name);
    return lines->file >= 0;
}

/* Move the rest to the front and read behind it; false at the end of the file. */
static bool read_more(struct lines *lines) {
    memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    const size_t room = sizeof lines->buffer - lines->end;
    const ssize_t got = room == 0 ? -1 : read(lines->file, lines->buffer + lines->end, room);
    lines->failed |= got < 0;
    if (got > 0) lines->end += (size_t)got;
    return got > 0;
}

char *lines_next(struct lines *lines, size_t *length) {
    for (size_t searched = 0;;) {
        char *start = lines->buffer + lines->begin;
        const size_t have = lines->end - lines->begin;
        char *end = memchr(start + searched, '\n', have - searched);
        if (end != NULL) {
            *end = 0;
            *length = (size_t)(end - start);
            lines->begin += *length + 1;
            return start;
        }
        searched = have;
        if (!read_more(lines)) return NULL; /* every line of these files has an end */
    }
}

void lines_close(struct lines *lines) { close(lines->file); }

static ssize_t read_start_of(int file, char *text, size_t size) {
    if (file < 0) return -1;
    size_t length = 0;
    ssize_t got = 0;
    while (length < size - 1 && (got = read(file, text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    const int error = errno;
    close(file);
    text[length] = 0;
    errno = error;
    return got < 0 && length == 0 ? -1 : (ssize_t)length;
}

ssize_t proc_read(pid_t pid, const char *name, char *text, size_t size) {
    return read_start_of(open_proc(pid, name), text, size);
}

ssize_t read_file(const char *path, char *text, size_t size) {
    return read_start_of(open(path, O_RDONLY | O_CLOEXEC), text, size);
}

void *reserve(size_t size) {
    void *place = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return place == MAP_FAILED ? NULL : place;
}
