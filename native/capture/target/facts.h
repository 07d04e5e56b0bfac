/* What is known of the target before it is frozen. */
#ifndef HEAPGRAPH_CAPTURE_FACTS_H
#define HEAPGRAPH_CAPTURE_FACTS_H

#include "capture/target/maps.h"
#include "freeze/hold/freeze.h"
#include "freeze/process/threads.h"

enum { MAX_COMMAND_LINE = 1 << 16, MAX_HOSTNAME = 256 };

struct facts {
    pid_t pid;
    uint64_t rss;    /* bytes */
    int64_t started; /* seconds since 1970; 0: unknown */
    int64_t taken;   /* the same, of the freeze */
    int64_t pause_ns;
    const char *method;          /* "clone" or "pause" */
    char hostname[MAX_HOSTNAME]; /* of its machine or container; "" when unknown */
    char name[16];               /* of the process, as ps shows it */
    char executable[LINES_BUFFER];
    char command_line[MAX_COMMAND_LINE]; /* each argument ends with a NUL */
    size_t command_line_length;
    struct thread_list threads;
    struct size_table sizes;
};

/* Look at the target, and refuse what cannot be captured. False with a failure. */
bool gather_facts(pid_t pid, struct facts *facts, struct failure *failure);

#endif
