/* Files of /proc: short ones at once, long ones line by line in constant memory. */
#ifndef HEAPGRAPH_CAPTURE_LINES_H
#define HEAPGRAPH_CAPTURE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Twice the longest line: of a path of PATH_MAX in which every byte is written as an octal number.
 */
enum { LINES_BUFFER = 1 << 15 };

struct lines {
    int file;
    size_t begin, end;
    bool failed; /* a read failed, or a line was longer than any can be */
    char buffer[LINES_BUFFER];
};

/* Open /proc/PID/`name`; false with errno when that is refused. */
bool lines_open(struct lines *lines, pid_t pid, const char *name);

/* The next line without its end, NULL behind the last one. Valid until the next call. */
char *lines_next(struct lines *lines, size_t *length);

void lines_close(struct lines *lines);

/* Read the first bytes of /proc/PID/`name` and end them with a NUL; the length, -1 with errno. */
ssize_t proc_read(pid_t pid, const char *name, char *text, size_t size);
ssize_t read_file(const char *path, char *text, size_t size);

/* Memory that costs nothing until it is used; NULL when there is no address space for it. */
void *reserve(size_t size);

#endif
