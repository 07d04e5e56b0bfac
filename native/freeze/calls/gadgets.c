#include "freeze/calls/gadgets.h"

#include "freeze/arch/arch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 1 << 18, LINE_SIZE = 512, PATH_SIZE = 64 };

static int open_memory(pid_t pid) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The address of a pattern in a range, 0 when it is not there. Steps overlap by a pattern. */
static uint64_t search(int memory, uint64_t start, uint64_t end, struct code_pattern pattern) {
    static unsigned char code[STEP];
    for (uint64_t at = start; at < end; at += STEP - pattern.size) {
        size_t wanted = end - at < STEP ? end - at : STEP;
        ssize_t length = pread(memory, code, wanted, (off_t)at);
        if (length < (ssize_t)pattern.size) return 0;
        for (const unsigned char *found = code;
             (found = memmem(found, (size_t)(code + length - found), pattern.bytes,
                             pattern.size)) != NULL;
             found++)
            if ((at + (uint64_t)(found - code)) % pattern.alignment == 0)
                return at + (uint64_t)(found - code);
    }
    return 0;
}

static bool is_c_library(const char *line) {
    const char *name = strrchr(line, '/');
    return name != NULL && (strncmp(name, "/libc.", 6) == 0 || strncmp(name, "/libc-", 6) == 0 ||
                            strncmp(name, "/ld-", 4) == 0);
}

static void search_mapping(int memory, const char *line, struct gadgets *gadgets) {
    uint64_t start, end;
    char permissions[8];
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end, permissions) != 3 ||
        strncmp(permissions, "r-x", 3) != 0 || strstr(line, "[vsyscall]") != NULL)
        return;
    if (gadgets->restore == 0) gadgets->restore = search(memory, start, end, arch_restore_code);
    if (gadgets->call == 0) gadgets->call = search(memory, start, end, arch_call_code);
}

bool find_gadgets(pid_t pid, struct gadgets *gadgets) {
    char path[PATH_SIZE], line[LINE_SIZE];
    *gadgets = (struct gadgets){0, 0};
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    int memory = open_memory(pid);
    for (int others = 0; memory >= 0 && others < 2; others++) {
        FILE *maps = fopen(path, "re");
        while (maps != NULL && (gadgets->restore == 0 || gadgets->call == 0) &&
               fgets(line, sizeof line, maps) != NULL)
            if (is_c_library(line) != (others == 1)) search_mapping(memory, line, gadgets);
        if (maps != NULL) fclose(maps);
    }
    if (memory >= 0) close(memory);
    return gadgets->restore != 0 && gadgets->call != 0;
}

static bool is_there(int memory, uint64_t address, struct code_pattern pattern) {
    unsigned char code[16];
    return pread(memory, code, pattern.size, (off_t)address) == (ssize_t)pattern.size &&
           memcmp(code, pattern.bytes, pattern.size) == 0;
}

bool gadgets_are_there(pid_t pid, const struct gadgets *gadgets) {
    int memory = open_memory(pid);
    bool there = memory >= 0 && is_there(memory, gadgets->restore, arch_restore_code) &&
                 is_there(memory, gadgets->call, arch_call_code);
    if (memory >= 0) close(memory);
    return there;
}
