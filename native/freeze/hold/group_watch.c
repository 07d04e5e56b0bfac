#include "freeze/hold/group_watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

/* Newer than the C library of the oldest system this is built on; the same on all processors. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

enum {
    MAX_PLACES = 64, /* groups above each other, and the machine */
    LIMITS = 2,
    SHORTEST_LOOK_NS = 1000000,
    LONGEST_LOOK_NS = 5000000,
    /* What all writers of a machine together can take in a nanosecond: the more is left, the later
     * the next look. Copies on write were seen at 0.4 to 2 bytes a nanosecond and thread. */
    FASTEST_BYTES_PER_NS = 8,
    STACK_SIZE = 1 << 16,
    TEXT_SIZE = 1 << 13, /* memory.stat has 2 to 4 KiB */
};

/* Memory in use, and what it may be: the files of a group. */
struct limit_files {
    const char *used, *most;
};

static const struct limit_files files_of_version[][LIMITS] = {
    {{NULL, NULL}, {NULL, NULL}},
    {{"memory.usage_in_bytes", "memory.limit_in_bytes"},
     {"memory.memsw.usage_in_bytes", "memory.memsw.limit_in_bytes"}},
    /* Above `high` the kernel slows the group down: the target would notice. */
    {{"memory.current", "memory.max"}, {"memory.current", "memory.high"}},
};

struct place {
    int version;
    int64_t reserve, limit;
    int used[LIMITS], most[LIMITS]; /* descriptors; -1: there is none */
    int statistics;                 /* memory.stat, or of the machine meminfo */
};

static struct {
    struct place places[MAX_PLACES];
    int count;
    bool begun;
    pthread_t thread;
    int woken; /* a descriptor that can be read when a clone is to be held, or the end has come */
    atomic_bool is_over;
    atomic_int clone;         /* 0: none yet */
    struct shortage shortage; /* the thread's until it is joined */
    bool is_short;
    atomic_bool has_ended;
} watch;

static int open_in(int folder, const char *name) {
    return name == NULL ? -1 : openat(folder, name, O_RDONLY | O_CLOEXEC);
}

/* The number behind a name that begins a line; 0 when there is none. */
static int64_t number_of(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == ':'))
            return strtoll(line + length + 1, NULL, 10);
    }
    return 0;
}

static const char *read_statistics(const struct place *place) {
    static char text[TEXT_SIZE]; /* the thread's, and before it begins its starter's */
    ssize_t length = place->statistics < 0 ? 0 : pread(place->statistics, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = 0;
    return text;
}

bool watch_add(const char *text) {
    int version, start = 0;
    int64_t reserve, limit;
    if (watch.count == MAX_PLACES ||
        sscanf(text, "%d:%" SCNd64 ":%" SCNd64 ":%n", &version, &reserve, &limit, &start) < 3 ||
        start == 0 || version < 0 || version > 2 || reserve < 0)
        return false;
    struct place *place = &watch.places[watch.count];
    *place = (struct place){version, reserve, limit, {-1, -1}, {-1, -1}, -1};
    if (version == 0) {
        place->statistics = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    } else {
        int folder = open(text + start, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0) return false;
        for (int i = 0; i < LIMITS; i++) {
            place->used[i] = open_in(folder, files_of_version[version][i].used);
            place->most[i] = open_in(folder, files_of_version[version][i].most);
        }
        place->statistics = open_in(folder, "memory.stat");
        close(folder);
        if (limit == 0) {
            int64_t above = number_of(read_statistics(place), "hierarchical_memory_limit");
            place->limit = above > 0 ? above : INT64_MAX;
        }
    }
    watch.count++;
    return true;
}

/* The number in a file; INT64_MAX for "max", for no limit, and where it cannot be read. */
static int64_t read_number(int file) {
    char text[32];
    ssize_t length = file < 0 ? -1 : pread(file, text, sizeof text - 1, 0);
    if (length <= 0 || text[0] < '0' || text[0] > '9') return INT64_MAX;
    text[length] = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    return number > INT64_MAX ? INT64_MAX : (int64_t)number;
}

/* Pages of files that the kernel drops at once when it needs room: not used lately, and clean. */
static int64_t droppable(const struct place *place) {
    const char *text = read_statistics(place);
    int64_t bytes = place->version == 1
                        ? number_of(text, "total_inactive_file") - number_of(text, "total_dirty") -
                              number_of(text, "total_writeback")
                        : number_of(text, "inactive_file") - number_of(text, "file_dirty") -
                              number_of(text, "file_writeback");
    return bytes > 0 ? bytes : 0;
}

static int64_t machine_left(const struct place *place) {
    struct sysinfo machine;
    if (sysinfo(&machine) == 0) {
        int64_t unused = (int64_t)machine.freeram * (int64_t)machine.mem_unit;
        if (unused > place->reserve) return unused;
    }
    const char *text = read_statistics(place);
    return text[0] == 0 ? INT64_MAX : number_of(text, "MemAvailable") << 10;
}

/* What a place has left, or less: what costs time to learn is asked only when it matters. */
static int64_t left_in(const struct place *place) {
    if (place->version == 0) return machine_left(place);
    int64_t left = INT64_MAX;
    for (int i = 0; i < LIMITS; i++) {
        int64_t most = read_number(place->most[i]);
        if (i == 0 && place->limit < most) most = place->limit;
        int64_t used = most == INT64_MAX ? INT64_MAX : read_number(place->used[i]);
        if (used != INT64_MAX && most - used < left) left = most - used;
    }
    return left <= place->reserve ? left + droppable(place) : left;
}

/* One look at all of them. True: short, and where; else what is left above the reserve. */
static bool look(int64_t *spare) {
    *spare = INT64_MAX;
    for (int i = 0; i < watch.count; i++) {
        int64_t left = left_in(&watch.places[i]);
        int64_t above = left - watch.places[i].reserve;
        if (above < 0) {
            watch.shortage = (struct shortage){i, left};
            return true;
        }
        if (above < *spare) *spare = above;
    }
    return false;
}

/* Kill it and take its memory back ourselves: its own way out waits for a processor, and for
 * whoever reads its memory. */
static void end_clone(pid_t clone) {
    int file = (int)syscall(SYS_pidfd_open, clone, 0);
    kill(clone, SIGKILL);
    if (file >= 0) {
        syscall(SYS_process_mrelease, file, 0); /* Linux 5.15; before, it goes by itself */
        close(file);
    }
}

void hurry(pid_t thread, bool begin) {
    const struct sched_param priority = {.sched_priority = begin ? 1 : 0};
    sched_setscheduler(thread, begin ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER, &priority);
}

static void *keep_looking(void *unused) {
    hurry(0, true); /* a look takes microseconds */
    while (!atomic_load(&watch.is_over)) {
        int64_t spare = 0;
        watch.is_short = watch.is_short || look(&spare);
        pid_t clone = atomic_load(&watch.clone);
        if (watch.is_short && clone != 0) {
            end_clone(clone);
            atomic_store(&watch.has_ended, true);
            break;
        }
        int64_t wait = spare / FASTEST_BYTES_PER_NS;
        wait = wait < SHORTEST_LOOK_NS ? SHORTEST_LOOK_NS : wait;
        wait = wait > LONGEST_LOOK_NS ? LONGEST_LOOK_NS : wait;
        const struct timespec limit = {.tv_nsec = wait};
        struct pollfd woken = {.fd = watch.woken, .events = POLLIN};
        uint64_t times;
        if (ppoll(&woken, 1, &limit, NULL) > 0) (void)!read(watch.woken, &times, sizeof times);
    }
    return unused;
}

bool watch_begin(struct shortage *shortage) {
    int64_t spare;
    watch.is_short = false;
    atomic_store(&watch.has_ended, false);
    atomic_store(&watch.is_over, false);
    atomic_store(&watch.clone, 0);
    if (watch.count == 0) return true;
    if (look(&spare)) {
        *shortage = watch.shortage;
        return false;
    }
    *shortage = (struct shortage){-1, 0};
    watch.woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_attr_t attributes;
    if (watch.woken < 0 || pthread_attr_init(&attributes) != 0) return false;
    pthread_attr_setstacksize(&attributes, STACK_SIZE); /* memory of this program is locked */
    watch.begun = pthread_create(&watch.thread, &attributes, keep_looking, NULL) == 0;
    pthread_attr_destroy(&attributes);
    if (!watch.begun) close(watch.woken);
    return watch.begun;
}

static void wake(void) {
    const uint64_t once = 1;
    (void)!write(watch.woken, &once, sizeof once);
}

void watch_hold(pid_t clone) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", clone);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!write(file, "1000", 4);
        close(file);
    }
    if (!watch.begun) return;
    atomic_store(&watch.clone, clone);
    wake();
}

bool watch_has_ended(void) { return atomic_load(&watch.has_ended); }

bool watch_end(struct shortage *shortage) {
    if (!watch.begun) return true;
    watch.begun = false;
    atomic_store(&watch.is_over, true);
    wake();
    pthread_join(watch.thread, NULL);
    close(watch.woken);
    *shortage = watch.shortage;
    return !watch_has_ended();
}
