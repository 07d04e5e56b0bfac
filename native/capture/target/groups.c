#include "capture/target/groups.h"

#include "capture/target/lines.h"
#include "freeze/hold/group_watch.h"
#include "freeze/process/proc_files.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONTROLLERS_SIZE = 4096, MAX_WRITERS = 4 };

/* What one thread can rewrite until a clone is gone: heapgraph/capture/live/memory_limits.py has
 * the figures, and says where they come from. */
#define BURST (INT64_C(10) << 20)
#define ENDING_SHARE 32

struct hierarchy {
    int version;
    const char *folder;
};
static const struct hierarchy MEMORY_1 = {1, "/sys/fs/cgroup/memory"};
static const struct hierarchy MEMORY_2 = {2, "/sys/fs/cgroup"};

static int64_t reserve_for(pid_t pid) {
    char status[TASK_STATUS_SIZE];
    if (!read_status(pid, pid, status, sizeof status)) return BURST;
    const int64_t anonymous = (int64_t)number_after(status, "RssAnon", -1) << 10;
    int64_t writers = number_after(status, "Threads", -1);
    const int64_t processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (writers > processors) writers = processors;
    if (writers > MAX_WRITERS) writers = MAX_WRITERS;
    const int64_t rewritten = writers * (BURST + anonymous / ENDING_SHARE);
    return rewritten < anonymous ? rewritten : anonymous;
}

/* The process's group in a line of /proc/PID/cgroup, NULL when that is not about memory. */
static char *group_in(char *line, bool manages_2, struct hierarchy *hierarchy) {
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL) return NULL;
    *path++ = 0;
    *hierarchy = controllers[1] == 0 ? MEMORY_2 : MEMORY_1;
    if (controllers[1] == 0) return manages_2 ? path : NULL;
    for (char *name = strtok(controllers + 1, ","); name != NULL; name = strtok(NULL, ","))
        if (strcmp(name, "memory") == 0) return path;
    return NULL;
}

static bool ends_as_one(const char *folder) {
    char path[PATH_MAX + 32], text[8];
    snprintf(path, sizeof path, "%s/memory.oom.group", folder);
    return read_file(path, text, sizeof text) > 0 && text[0] == '1';
}

/* The group and all above it, up to where they are mounted. */
static bool watch_upwards(struct hierarchy top, const char *group, int64_t reserve,
                          struct failure *failure) {
    char folder[PATH_MAX], place[PATH_MAX + 64];
    const size_t shortest = strlen(top.folder);
    *failure = (struct failure){"group", EACCES, "its memory group is out of sight"};
    if (strstr(group, "/..") != NULL) return false;
    snprintf(folder, sizeof folder, "%s%s", top.folder, group);
    if (access(folder, F_OK) != 0) /* a container without names of its own for groups */
        folder[shortest] = 0;
    for (;;) {
        if (top.version == 2 && ends_as_one(folder)) {
            *failure = (struct failure){"group", EPERM, "all of its memory group end as one"};
            return false;
        }
        snprintf(place, sizeof place, "%d:%" PRId64 ":0:%s", top.version, reserve, folder);
        watch_add(place);
        char *last = strrchr(folder, '/');
        if (strlen(folder) <= shortest) return true;
        *last = 0;
    }
}

bool watch_groups(pid_t pid, struct failure *failure) {
    static struct lines lines;
    char controllers[CONTROLLERS_SIZE], machine[64];
    const bool manages_2 =
        read_file("/sys/fs/cgroup/cgroup.controllers", controllers, sizeof controllers) > 0 &&
        strstr(controllers, "memory") != NULL;
    const int64_t reserve = reserve_for(pid);
    bool is_watched = true;
    size_t length;
    if (lines_open(&lines, pid, "cgroup")) {
        struct hierarchy hierarchy;
        for (char *line; is_watched && (line = lines_next(&lines, &length)) != NULL;) {
            const char *group = group_in(line, manages_2, &hierarchy);
            is_watched = group == NULL || watch_upwards(hierarchy, group, reserve, failure);
        }
        lines_close(&lines);
    }
    snprintf(machine, sizeof machine, "0:%" PRId64 ":0:", reserve);
    return is_watched && watch_add(machine);
}
