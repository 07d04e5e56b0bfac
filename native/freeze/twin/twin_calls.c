#include "freeze/twin/twin_calls.h"

#include "freeze/arch/arch.h"
#include "freeze/arch/rseq.h"
#include "freeze/process/threads.h"
#include "freeze/twin/twin_filter.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    FILTER_AT = 64, /* in the page; in front of it are the instructions */
    FILTER_ROOM = 256,
    MAX_RANGES = 256, /* of this small program */
    MAX_FILES = 1 << 14,
    LINE_SIZE = 512,
    FILTER_MODE = 2, /* SECCOMP_MODE_FILTER */
    CALL_LIMIT_S = 30,
};

/* What a failed call leaves behind when the child itself has failed. */
enum { NOT_MADE = -ECHILD };

/* Make it do one call; its result, or minus an errno. */
static long call_in(pid_t child, uint64_t page, long number,
                    const uint64_t arguments[CALL_ARGUMENTS]) {
    struct arch_state state;
    if (arch_get(child, &state) != 0) return NOT_MADE;
    arch_prepare_call(&state, page, number, arguments);
    if (arch_set(child, &state) != 0) return NOT_MADE;
    const int64_t deadline = now_ns() + (int64_t)CALL_LIMIT_S * 1000000000;
    int status, stopped_by;
    do { /* somebody may send it SIGSTOP */
        if (traced(PTRACE_CONT, child, 0, 0) != 0 || await_change(child, &status, deadline) != 1 ||
            !WIFSTOPPED(status))
            return NOT_MADE;
        stopped_by = WSTOPSIG(status);
    } while (status >> 16 == SEIZED_STOP || stopped_by == SIGSTOP);
    if (stopped_by != SIGTRAP || arch_get(child, &state) != 0 ||
        arch_program_counter(&state) - page >= FILTER_AT)
        return NOT_MADE;
    return arch_call_result(&state);
}

static bool poke(pid_t child, uint64_t address, const unsigned char *bytes, size_t size) {
    for (size_t at = 0; at < size; at += sizeof(long)) {
        long word = 0;
        memcpy(&word, bytes + at, size - at < sizeof word ? size - at : sizeof word);
        if (traced(PTRACE_POKETEXT, child, address + at, (uintptr_t)word) != 0) return false;
    }
    return true;
}

bool write_call_page(pid_t child, uint64_t page) {
    unsigned char filter[FILTER_ROOM];
    size_t size = make_filter(filter, sizeof filter, page + FILTER_AT, page);
    return size > 0 && poke(child, page + FILTER_AT, filter, size) &&
           poke(child, page, arch_stub_call, (size_t)(arch_stub_end - arch_stub_call));
}

bool forget_sequences(pid_t child, uint64_t page) {
    struct rseq_configuration rseq = {0};
    if (traced(GET_RSEQ_CONFIGURATION, child, sizeof rseq, (uintptr_t)&rseq) <= 0 || rseq.area == 0)
        return true; /* unknown to older kernels, whose C libraries do not use it */
    const uint64_t arguments[CALL_ARGUMENTS] = {rseq.area, rseq.area_size, RSEQ_UNREGISTER,
                                                rseq.signature};
    return call_in(child, page, SYS_rseq, arguments) == 0;
}

struct range {
    uint64_t start, end;
    bool is_of_kernel; /* [vdso] and the like, which newer kernels seal */
};

static int list_ranges(pid_t child, struct range ranges[MAX_RANGES]) {
    char path[64], line[LINE_SIZE];
    snprintf(path, sizeof path, "/proc/%d/maps", child);
    FILE *maps = fopen(path, "re");
    if (maps == NULL) return -1;
    int count = 0;
    while (count < MAX_RANGES && fgets(line, sizeof line, maps) != NULL) {
        struct range *range = &ranges[count];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &range->start, &range->end) != 2 ||
            range->start > INT64_MAX) /* [vsyscall] is no memory of the process */
            continue;
        range->is_of_kernel = strstr(line, "[v") != NULL;
        count++;
    }
    fclose(maps);
    return count;
}

bool unmap_all(pid_t child, uint64_t page) {
    static struct range ranges[MAX_RANGES];
    int count = list_ranges(child, ranges);
    for (int i = 0; i < count; i++) {
        const struct range *range = &ranges[i];
        const uint64_t arguments[CALL_ARGUMENTS] = {range->start, range->end - range->start};
        if (range->start != page) call_in(child, page, SYS_munmap, arguments);
    }
    count = list_ranges(child, ranges);
    bool is_gone = count >= 0;
    for (int i = 0; i < count; i++) is_gone &= ranges[i].start == page || ranges[i].is_of_kernel;
    return is_gone;
}

static long map_at(pid_t child, uint64_t page, uint64_t start, uint64_t size, uint64_t protection,
                   uint64_t flags, uint64_t file, uint64_t offset) {
    const uint64_t to_write_and_run = PROT_WRITE | PROT_EXEC;
    const uint64_t arguments[CALL_ARGUMENTS] = {
        start, size, protection, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | flags, file, offset};
    const long result = call_in(child, page, SYS_mmap, arguments);
    if ((uint64_t)result == start) return 0;
    if ((result == -EACCES || result == -EPERM) &&
        (protection & to_write_and_run) == to_write_and_run)
        return map_at(child, page, start, size, protection & ~(uint64_t)PROT_WRITE, flags, file,
                      offset); /* hosts forbid memory that is both: then it is only run */
    return result < 0 && result >= -4095 ? result : -EEXIST;
}

long map_row(pid_t child, uint64_t page, const struct twin_row *row) {
    long result = 0;
    if (row->in_file > 0)
        result = map_at(child, page, row->start, row->in_file, row->protection, 0, row->descriptor,
                        row->offset);
    if (result == 0 && row->size > row->in_file)
        result = map_at(child, page, row->start + row->in_file, row->size - row->in_file,
                        row->protection, MAP_ANONYMOUS, ~(uint64_t)0, 0);
    return result;
}

/* Its open files, one at a time: a call that closes all is not in older kernels. */
static int next_file(pid_t child) {
    char path[64];
    int found = -1;
    snprintf(path, sizeof path, "/proc/%d/fd", child);
    DIR *folder = opendir(path);
    if (folder == NULL) return -ENOENT;
    for (struct dirent *entry; found < 0 && (entry = readdir(folder)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0])) found = atoi(entry->d_name);
    closedir(folder);
    return found;
}

bool close_all(pid_t child, uint64_t page) {
    for (int i = 0; i < MAX_FILES; i++) {
        const int file = next_file(child);
        if (file < 0) return file == -1;
        const uint64_t arguments[CALL_ARGUMENTS] = {(uint64_t)file};
        if (call_in(child, page, SYS_close, arguments) != 0) return false;
    }
    return false;
}

bool bar_calls(pid_t child, uint64_t page) {
    const uint64_t no_privileges[CALL_ARGUMENTS] = {PR_SET_NO_NEW_PRIVS, 1};
    const uint64_t filter[CALL_ARGUMENTS] = {PR_SET_SECCOMP, FILTER_MODE, page + FILTER_AT};
    return call_in(child, page, SYS_prctl, no_privileges) == 0 &&
           call_in(child, page, SYS_prctl, filter) == 0;
}
