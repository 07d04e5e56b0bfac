#include "freeze/process/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 96, WHOLE_SIZE = 1 << 20, LINE_SIZE = 512, MAX_MAPPINGS = 1 << 16 };

bool read_task_file(pid_t pid, pid_t tid, const char *name, char *text, size_t size) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", pid, tid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    size_t length = 0;
    ssize_t part;
    while (length < size - 1 && (part = read(file, text + length, size - 1 - length)) > 0)
        length += (size_t)part;
    close(file);
    text[length] = 0;
    return length > 0;
}

/* Take a line out of a text. */
static void drop_line(char *text, const char *name) {
    char *line = strstr(text, name);
    char *next = line == NULL ? NULL : strchr(line + 1, '\n');
    if (next != NULL) memmove(line, next, strlen(next) + 1);
}

bool read_open_status(int file, char *text, size_t size) {
    static char whole[WHOLE_SIZE]; /* NGROUPS_MAX numbers are 720 kB */
    size_t length = 0;
    ssize_t part;
    while (length < sizeof whole - 1 &&
           (part = pread(file, whole + length, sizeof whole - 1 - length, (off_t)length)) > 0)
        length += (size_t)part;
    whole[length] = 0;
    drop_line(whole, "\nGroups:");
    /* Of what every kernel writes, this comes last. */
    if (strlen(whole) >= size || strstr(whole, "\nnonvoluntary_ctxt_switches:") == NULL)
        return false;
    strcpy(text, whole);
    return true;
}

bool read_status(pid_t pid, pid_t tid, char *text, size_t size) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const bool is_read = read_open_status(file, text, size);
    close(file);
    return is_read;
}

long number_after(const char *text, const char *name, long missing) {
    const size_t length = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return strtol(line + length + 1, NULL, 10);
    }
    return missing;
}

char thread_state(pid_t pid, pid_t tid) {
    char text[LINE_SIZE];
    if (!read_task_file(pid, tid, "stat", text, sizeof text)) return 0;
    const char *state = strrchr(text, ')'); /* the name in brackets may hold anything */
    return state == NULL || strlen(state) < 3 ? 0 : state[2];
}

int64_t thread_switches(pid_t pid, pid_t tid) {
    char text[TASK_STATUS_SIZE];
    if (!read_status(pid, tid, text, sizeof text)) return -1;
    long own = number_after(text, "voluntary_ctxt_switches", -1);
    long forced = number_after(text, "nonvoluntary_ctxt_switches", -1);
    return own < 0 || forced < 0 ? -1 : own + forced;
}

bool each_thread(pid_t pid, bool (*visit)(pid_t tid, void *context), void *context) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (folder == NULL) return false;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        pid_t tid = atoi(entry->d_name);
        if (tid > 0 && !visit(tid, context)) break;
    }
    closedir(folder);
    return true;
}

static struct {
    int count;
    struct range {
        uint64_t start, end;
    } writable[MAX_MAPPINGS], main_stack;
} noted;

static void note_mapping(const char *line) {
    struct range range;
    char permissions[8];
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &range.start, &range.end, permissions) != 3 ||
        strncmp(permissions, "rw", 2) != 0 || noted.count == MAX_MAPPINGS)
        return;
    noted.writable[noted.count++] = range;
    if (strstr(line, " [stack]\n") != NULL) noted.main_stack = range;
}

void note_mappings(pid_t pid) {
    char path[PATH_SIZE], line[LINE_SIZE];
    noted.count = 0;
    noted.main_stack = (struct range){0, 0};
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        note_mapping(line);
        while (strchr(line, '\n') == NULL && fgets(line, sizeof line, maps) != NULL)
            continue; /* the rest of a long path */
    }
    if (maps != NULL) fclose(maps);
}

bool writable_mapping_of(uint64_t address, uint64_t *start, uint64_t *end) {
    int low = 0, high = noted.count;
    while (low < high) { /* the first that begins behind the address */
        int middle = (low + high) / 2;
        if (noted.writable[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= noted.writable[low - 1].end) return false;
    *start = noted.writable[low - 1].start;
    *end = noted.writable[low - 1].end;
    return true;
}

bool is_in_main_stack(uint64_t address) {
    return address >= noted.main_stack.start && address < noted.main_stack.end;
}
