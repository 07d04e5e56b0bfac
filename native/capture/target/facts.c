#include "capture/target/facts.h"

#include "freeze/hold/freeze.h"
#include "freeze/process/proc_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { START_TIME = 20 }; /* words of /proc/PID/stat behind the name, of which it is the last */

/* linux/openat2.h, newer than the headers of the oldest system this is built on. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
struct how_to_open {
    uint64_t flags, mode, resolve;
};
enum { IN_ROOT = 0x10 };

static int64_t read_start(pid_t pid) {
    static char text[1 << 16]; /* /proc/stat has a line for each processor and each interrupt */
    char stat[1024];
    if (proc_read(pid, "stat", stat, sizeof stat) <= 0) return 0;
    char *word = strrchr(stat, ')'); /* the name in brackets may hold anything */
    for (int i = 0; i < START_TIME && word != NULL; i++) word = strchr(word + 1, ' ');
    const int file = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (word == NULL || file < 0) return 0;
    size_t length = 0;
    ssize_t got;
    while (length < sizeof text - 1 &&
           (got = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(file);
    text[length] = 0;
    const char *boot = strstr(text, "\nbtime ");
    if (boot == NULL) return 0;
    return strtoll(boot + 7, NULL, 10) + strtoll(word, NULL, 10) / sysconf(_SC_CLK_TCK);
}

static bool shares_hostname(pid_t pid) {
    char path[64];
    struct stat its, ours;
    snprintf(path, sizeof path, "/proc/%d/ns/uts", pid);
    return stat(path, &its) == 0 && stat("/proc/self/ns/uts", &ours) == 0 &&
           its.st_ino == ours.st_ino;
}

/* A container may have put anything at this place: no link leads out of it, and nothing waits. */
static void read_hostname_file(pid_t pid, char hostname[MAX_HOSTNAME]) {
    char path[64];
    struct stat about;
    struct how_to_open how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                              .resolve = IN_ROOT};
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    const int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int file =
        root < 0 ? -1 : (int)syscall(SYS_openat2, root, "etc/hostname", &how, sizeof how);
    if (file >= 0 && fstat(file, &about) == 0 && S_ISREG(about.st_mode)) {
        const ssize_t length = read(file, hostname, MAX_HOSTNAME - 1);
        hostname[length > 0 ? length : 0] = 0;
    }
    close(file);
    close(root);
}

static void read_hostname(pid_t pid, char hostname[MAX_HOSTNAME]) {
    struct utsname names;
    hostname[0] = 0;
    if (!shares_hostname(pid))
        read_hostname_file(pid, hostname);
    else if (uname(&names) == 0)
        snprintf(hostname, MAX_HOSTNAME, "%s", names.nodename);
    hostname[strcspn(hostname, "\r\n")] = 0;
}

static void read_executable(pid_t pid, char executable[LINES_BUFFER]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    const ssize_t length = readlink(path, executable, LINES_BUFFER - 1);
    executable[length > 0 ? length : 0] = 0;
}

/* Why a process with this status is none that can be captured; false when it is one. */
static bool is_refused(pid_t pid, const char *status, struct failure *failure) {
    const char *state = strstr(status, "\nState:\t");
    if (number_after(status, "Tgid", -1) != pid)
        *failure = (struct failure){"thread", ESRCH, "it is a thread, not a process"};
    else if (pid == getpid() || pid == getppid())
        *failure = (struct failure){"self", EINVAL, "it is this program, or what started it"};
    else if (state != NULL && (state[8] == 'Z' || state[8] == 'X'))
        *failure = (struct failure){"gone", ESRCH, "it has ended"};
    else if (number_after(status, "TracerPid", -1) > 0)
        *failure = (struct failure){"traced", EPERM, "another program traces it"};
    else if (number_after(status, "VmSize", -1) < 0)
        *failure = (struct failure){"kernel", EINVAL, "it is a kernel thread"};
    else
        return false;
    return true;
}

bool gather_facts(pid_t pid, struct facts *facts, struct failure *failure) {
    char status[TASK_STATUS_SIZE];
    *failure = (struct failure){"gone", ESRCH, "there is no such process"};
    if (!read_status(pid, pid, status, sizeof status)) return false;
    if (is_refused(pid, status, failure)) return false;
    facts->pid = pid;
    facts->rss = (uint64_t)number_after(status, "VmRSS", -1) << 10;
    facts->started = read_start(pid);
    read_hostname(pid, facts->hostname);
    read_executable(pid, facts->executable);
    proc_read(pid, "comm", facts->name, sizeof facts->name);
    facts->name[strcspn(facts->name, "\n")] = 0;
    const ssize_t length = proc_read(pid, "cmdline", facts->command_line, MAX_COMMAND_LINE);
    facts->command_line_length = length > 0 ? (size_t)length : 0;
    read_sizes(pid, &facts->sizes);
    return list_threads(pid, false, &facts->threads);
}
