#include "freeze/hold/guard.h"

#include "freeze/process/proc_files.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STATM_SIZE = 128 };

/* Page tables are copied in 25 ms for each GiB; 40 times as long is a machine in trouble. */
#define COPY_NS_PER_GIB INT64_C(1000000000)

/* A timer of the kernel's own: SIGKILL ends a stopped process as well. Not of the C library, which
 * older ones have in librt only. */
static bool make_timer(int *timer) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    return syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, timer) == 0;
}

/* A time of 0 disarms it. */
bool guard_for(int64_t within_ns) {
    static int timer;
    static bool is_made, is_set;
    if (within_ns == 0 && !is_set) return true;
    if (!is_made && !(is_made = make_timer(&timer))) return false;
    struct itimerspec time = {
        .it_value = {.tv_sec = within_ns / 1000000000, .tv_nsec = within_ns % 1000000000}};
    const bool is_done = syscall(SYS_timer_settime, timer, 0, &time, NULL) == 0;
    is_set = is_done && within_ns != 0;
    return is_done;
}

void guard_end(void) { guard_for(0); }

int64_t guard_for_copy_ns(pid_t pid) {
    char text[STATM_SIZE];
    long resident = 0;
    if (read_task_file(pid, pid, "statm", text, sizeof text)) sscanf(text, "%*d %ld", &resident);
    const int64_t gib = (int64_t)resident * sysconf(_SC_PAGESIZE) >> 30;
    return GUARD_NS + gib * COPY_NS_PER_GIB;
}
