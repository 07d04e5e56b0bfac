/* heapgraph_capture: writes the memory of a live process to standard output, as a packed core file.
 *
 *   heapgraph_capture [--pause MS] [--watch PLACE]... PID > FILE.core.zst
 *
 * Linked statically and needing nothing but /proc, so that it can be copied alone into a container
 * that cannot hold heapgraph. Its own memory does not grow with the target's. The target is let go
 * when it ends, however it ends; a clone also before memory runs out: in the places of --watch
 * (watch_add), or else in the target's groups. With --report one line for a program is written to
 * standard error:
 *
 *   captured METHOD PAUSE_NS STORED WRITTEN WITHHELD CLEAN     bytes; CLEAN 0: a zombie is left
 *   error CODE ERRNO TEXT
 *     CODE: those of heapgraph_freeze, thread, self, kernel, traced, terminal, read, ended,
 * packing, write, stall, limit, signal, group, short (TEXT: which place, counted from 0, and its
 * bytes) */
#include "capture/messages.h"
#include "capture/output/core.h"
#include "capture/output/output.h"
#include "capture/target/groups.h"
#include "freeze/hold/group_watch.h"
#include "freeze/hold/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

struct options {
    pid_t pid;
    int64_t pause_limit_ns;    /* 0: clone */
    bool for_program, watches; /* watches: places were given */
};

enum { ATTEMPTS = 5, SETTLE_NS = 1000000000 };

static struct facts facts;

static bool parse_number(const char *text, long largest, long *number) {
    char *end;
    *number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && *number > 0 && *number <= largest;
}

static bool parse_options(int count, char **words, struct options *options) {
    long number;
    *options = (struct options){0};
    int i = 1;
    for (; i < count && words[i][0] == '-'; i++) {
        if (strcmp(words[i], "--report") == 0)
            options->for_program = true;
        else if (strcmp(words[i], "--pause") == 0 && i + 1 < count &&
                 parse_number(words[++i], INT_MAX, &number))
            options->pause_limit_ns = number * 1000000;
        else if (strcmp(words[i], "--watch") == 0 && i + 1 < count && watch_add(words[++i]))
            options->watches = true;
        else
            return false;
    }
    if (i + 1 != count || !parse_number(words[i], INT_MAX, &number)) return false;
    options->pid = (pid_t)number;
    return true;
}

/* What the code that stops a target asks the kernel. */
long traced(int request, pid_t tid, uintptr_t address, uintptr_t data) {
    return ptrace(request, tid, (void *)address, (void *)data);
}

/* Should memory run out, this program is to be ended and not the target. */
static void offer_to_the_oom_killer(void) {
    const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!write(file, "1000", 4);
        close(file);
    }
}

/* Let go of threads that did not stop in time, as soon as they have. */
static void settle(void) {
    for (const int64_t until = now_ns() + SETTLE_NS; settle_late() > 0 && now_ns() < until;)
        usleep(1000);
}

/* On a loaded machine a thread may not stop in time: another moment is a better one. */
static pid_t clone_whole(const struct options *options, struct failure *failure) {
    pid_t child;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (clone_freeze(options->pid, &child, &facts.pause_ns, failure)) return child;
        settle();
        if (strcmp(failure->code, "busy") != 0) break;
    }
    return 0;
}

/* The process whose memory stands still, 0 with a failure. */
static pid_t freeze(const struct options *options, struct failure *failure) {
    int threads;
    facts.taken = time(NULL);
    if (options->pause_limit_ns > 0) {
        facts.method = "pause";
        if (!pause_target(options->pid, options->pause_limit_ns, &threads, failure)) return 0;
        guard_for(options->pause_limit_ns +
                  PAUSE_GRACE_NS); /* for as long as it may stand, and no longer */
        return options->pid;
    }
    facts.method = "clone";
    if (facts.sizes.handles_faults) {
        *failure = (struct failure){"uffd", ENOTSUP, "it handles page faults (userfaultfd)"};
        return 0;
    }
    if (!options->watches && !watch_groups(options->pid, failure)) return 0;
    return clone_whole(options, failure);
}

/* Let go. `is_clean`: nothing is left in the target. False with a failure: the clone was ended, as
 * memory ran short. */
static bool release(bool for_program, bool *is_clean, struct failure *failure) {
    static char place[64];
    int64_t pause_ns;
    struct shortage shortage;
    bool in_time = true;
    *is_clean = true;
    if (pause_is_held()) {
        pause_release(&pause_ns);
    } else if (clone_is_held()) {
        in_time = watch_end(&shortage);
        *is_clean = clone_release(&pause_ns);
    }
    settle();
    if (!in_time) {
        snprintf(place, sizeof place, "%d %" PRId64, shortage.place, shortage.left);
        *failure =
            (struct failure){"short", ENOMEM, for_program ? place : "its clone was ended in time"};
    }
    return in_time;
}

int main(int count, char **words) {
    static struct plan plan;
    struct options options;
    struct failure failure;
    if (!parse_options(count, words, &options)) return explain_usage();
    if (isatty(STDOUT_FILENO)) return refuse_terminal(options.for_program);
    offer_to_the_oom_killer();
    if (!output_begin())
        return report_failure(options.pid, &(struct failure){"write", errno, "no output"},
                              options.for_program);
    if (!gather_facts(options.pid, &facts, &failure))
        return report_failure(options.pid, &failure, options.for_program);
    mlockall(MCL_CURRENT); /* no wait for our own pages while a thread of the target stands */
    const pid_t frozen = freeze(&options, &failure);
    bool is_done = false;
    if (frozen != 0) {
        munlockall();
        is_done =
            plan_make(&plan, options.pid, frozen, &failure) && write_core(&facts, &plan, &failure);
        plan_close(&plan);
    }
    bool is_clean;
    if (!release(options.for_program, &is_clean, &failure) || !is_done) {
        const int code = report_failure(options.pid, &failure, options.for_program);
        output_end_by_signal();
        return code;
    }
    report_success(&facts, plan.stored, output_written(), is_clean, options.for_program);
    return 0;
}
