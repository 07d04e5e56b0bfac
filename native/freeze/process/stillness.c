#include "freeze/process/stillness.h"

#include "freeze/process/proc_files.h"
#include "freeze/process/threads.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CALL_SIZE = 64, PATH_SIZE = 64, CHUNK_SIZE = 1 << 16 };

static struct {
    pid_t pid;
    int count;
    uint64_t mappings; /* a hash */
    struct sleeper sleepers[MAX_THREADS];
} noted;

/* Truly off the processor: the kernel waits for that before it names the call. */
static bool is_asleep(pid_t pid, pid_t tid) {
    char call[CALL_SIZE];
    return read_task_file(pid, tid, "syscall", call, sizeof call) &&
           ((call[0] >= '0' && call[0] <= '9') || call[0] == '-');
}

bool note_sleeper(pid_t pid, pid_t tid, struct sleeper *sleeper) {
    *sleeper = (struct sleeper){tid, thread_switches(pid, tid)};
    const char state = thread_state(pid, tid);
    return sleeper->switches >= 0 && (state == 'S' || state == 'T' || state == 't') &&
           slept_on(pid, sleeper);
}

bool slept_on(pid_t pid, const struct sleeper *sleeper) {
    return is_asleep(pid, sleeper->tid) && thread_switches(pid, sleeper->tid) == sleeper->switches;
}

/* FNV-1a over /proc/PID/maps; 0 when it cannot be read. */
static uint64_t hash_mappings(pid_t pid) {
    static char chunk[CHUNK_SIZE];
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    uint64_t hash = 0xcbf29ce484222325;
    ssize_t length;
    while ((length = read(file, chunk, sizeof chunk)) > 0)
        for (ssize_t i = 0; i < length; i++)
            hash = (hash ^ (unsigned char)chunk[i]) * 0x100000001b3;
    close(file);
    return hash;
}

static bool note_thread(pid_t tid, void *all_asleep) {
    bool *asleep = all_asleep;
    *asleep =
        noted.count < MAX_THREADS && note_sleeper(noted.pid, tid, &noted.sleepers[noted.count]);
    noted.count += *asleep;
    return *asleep;
}

bool begin_stillness(pid_t pid, int *threads) {
    bool asleep = false;
    noted.pid = pid;
    noted.count = 0;
    noted.mappings = hash_mappings(pid);
    if (!each_thread(pid, note_thread, &asleep) || !asleep) return false;
    *threads = noted.count;
    return true;
}

static bool count_thread(pid_t tid, void *count) {
    (void)tid;
    ++*(int *)count;
    return true;
}

/* A thread that came and went was started by another one, which ran: the number is enough. */
bool was_still(void) {
    int count = 0;
    for (int i = 0; i < noted.count; i++)
        if (!slept_on(noted.pid, &noted.sleepers[i])) return false;
    return each_thread(noted.pid, count_thread, &count) && count == noted.count &&
           hash_mappings(noted.pid) == noted.mappings;
}
