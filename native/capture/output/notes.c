#include "capture/output/notes.h"

#include "capture/output/own_notes.h"
#include "freeze/arch/machine.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    AUXV_SIZE = 4096,
    /* struct elf_prpsinfo (linux/elfcore.h) of 64-bit machines. */
    PROCESS_SIZE = 136,
    PROCESS_ID = 24,
    PROCESS_NAME = 40,
    PROCESS_ARGUMENTS = 56,
    THREAD_ID = 32, /* in struct elf_prstatus */
};

/* What a blocked thread's registers are is in a file; a running one is not stopped for it. */
static uint64_t stack_pointer(pid_t pid, pid_t tid) {
    char name[64], text[256];
    snprintf(name, sizeof name, "task/%d/syscall", tid);
    if (proc_read(pid, name, text, sizeof text) <= 0) return 0;
    char *last = strrchr(text, ' ');
    if (last == NULL) return 0; /* "running" */
    *last = 0;
    const char *before = strrchr(text, ' ');
    return before == NULL ? 0 : strtoull(before, NULL, 16);
}

static bool write_thread(struct sink *sink, pid_t pid, pid_t tid) {
    unsigned char status[ARCH_STATUS_SIZE] = {0};
    const uint64_t stack = stack_pointer(pid, tid);
    const int32_t number = tid;
    memcpy(status + THREAD_ID, &number, sizeof number);
    memcpy(status + ARCH_STATUS_STACK_POINTER, &stack, sizeof stack);
    return note_head(sink, "CORE", NT_PRSTATUS, sizeof status) &&
           sink_put(sink, status, sizeof status);
}

/* The main thread first: in a core file that is the one of which it says most. */
static bool write_threads(struct sink *sink, const struct facts *facts) {
    if (!write_thread(sink, facts->pid, facts->pid)) return false;
    for (int i = 0; i < facts->threads.count; i++)
        if (facts->threads.threads[i].tid != facts->pid &&
            !write_thread(sink, facts->pid, facts->threads.threads[i].tid))
            return false;
    return true;
}

static bool write_process(struct sink *sink, const struct facts *facts) {
    unsigned char process[PROCESS_SIZE] = {0};
    const int32_t pid = facts->pid;
    memcpy(process + PROCESS_ID, &pid, sizeof pid);
    memcpy(process + PROCESS_NAME, facts->name, sizeof facts->name);
    char *arguments = (char *)process + PROCESS_ARGUMENTS;
    const size_t room = PROCESS_SIZE - PROCESS_ARGUMENTS - 1, length = facts->command_line_length;
    const size_t taken = length < room ? length : room;
    for (size_t i = 0; i < taken; i++)
        arguments[i] = facts->command_line[i] == 0 ? ' ' : facts->command_line[i];
    return note_head(sink, "CORE", NT_PRPSINFO, sizeof process) &&
           sink_put(sink, process, sizeof process);
}

/* Of the frozen process: it does not change, and has the same vector. */
static bool write_auxiliary(struct sink *sink, pid_t frozen) {
    static char vector[AUXV_SIZE];
    const ssize_t length = proc_read(frozen, "auxv", vector, sizeof vector);
    if (length <= 0) return true;
    return note_head(sink, "CORE", NT_AUXV, (uint64_t)length) &&
           sink_put(sink, vector, (size_t)length) && note_padding(sink, (uint64_t)length);
}

struct files {
    uint64_t count, names;
};

static bool each_file(pid_t frozen, struct files *files, struct sink *sink, bool names) {
    static struct lines lines;
    static char path[LINES_BUFFER];
    struct mapping mapping;
    bool fine = lines_open(&lines, frozen, "maps");
    if (!fine) return false;
    while (fine && maps_next(&lines, &mapping)) {
        if (!mapping_has_file(&mapping)) continue;
        memcpy(path, mapping.path, mapping.path_length);
        const size_t length = unescape_path(path, mapping.path_length) + 1;
        const uint64_t place[] = {mapping.start, mapping.end, mapping.offset / PAGE};
        files->count++;
        files->names += length;
        if (sink != NULL)
            fine = names ? sink_put(sink, path, length) : sink_put(sink, place, sizeof place);
    }
    fine = fine && !lines.failed;
    lines_close(&lines);
    return fine;
}

static bool write_files(struct notes *notes, struct sink *sink) {
    struct files found = {0}, unused = {0};
    const pid_t frozen = notes->plan->frozen;
    if (!each_file(frozen, &found, NULL, false)) return false;
    const uint64_t head[] = {found.count, PAGE};
    const uint64_t length = sizeof head + found.count * 24 + found.names;
    return note_head(sink, "CORE", NT_FILE, length) && sink_put(sink, head, sizeof head) &&
           each_file(frozen, &unused, sink, false) && each_file(frozen, &unused, sink, true) &&
           note_padding(sink, length);
}

bool write_notes(struct notes *notes, struct sink *sink) {
    return write_threads(sink, notes->facts) && write_process(sink, notes->facts) &&
           write_auxiliary(sink, notes->plan->frozen) && write_files(notes, sink) &&
           write_own_notes(notes, sink);
}
