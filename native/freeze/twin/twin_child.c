#include "freeze/twin/twin_child.h"

#include "freeze/twin/twin_table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum {
    PAGE = 4096,
    CPU_SECONDS = 600, /* far more than the traversal of any heap takes; ends it for certain */
    MIN_CORE = 1,      /* "no core file", which 0 does not say to a program in core_pattern */
    ROBUST_LIST_SIZE = 24,
};

static int limit(int resource, rlim_t most) {
    const struct rlimit both = {.rlim_cur = most, .rlim_max = most};
    return setrlimit(resource, &both) == 0 ? 0 : errno;
}

/* It is the first to go when memory runs out, and no more important than any other process. */
static void step_back(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!write(file, "1000", 4);
        close(file);
    }
    setpriority(PRIO_PROCESS, 0, 0);
}

static int drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

static int give_up(void) {
    /* Until ptrace binds it to its parent's life. Written zeros in the list of locks, huge pages
     * that make a byte cost 2 MiB: neither is for memory that is another's. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    syscall(SYS_set_robust_list, NULL, (size_t)ROBUST_LIST_SIZE);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    step_back();
    int error = limit(RLIMIT_CORE, MIN_CORE);
    if (error == 0) error = limit(RLIMIT_CPU, CPU_SECONDS);
    if (error == 0) error = limit(RLIMIT_MEMLOCK, 0);
    if (error == 0) error = limit(RLIMIT_FSIZE, 0);
    return error == 0 ? drop_capabilities() : error;
}

/* Where neither the target nor this process has anything yet. */
static int get_page(int table, uint64_t count, uint64_t *page) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    for (uint64_t from = 0; (*page = table_free_page(table, count, from)) != 0;
         from = *page + PAGE) {
        void *wanted = (void *)(uintptr_t)*page;
        void *found = mmap(wanted, PAGE, PROT_READ | PROT_EXEC, flags, -1, 0);
        if (found == wanted) return 0;
        if (found != MAP_FAILED)
            munmap(found, PAGE); /* a kernel that does not know the flag */
        else if (errno != EEXIST && errno != EPERM)
            return errno;
    }
    return ENOMEM;
}

void twin_child_main(int table, uint64_t count, int report) {
    struct twin_report result = {.error = give_up()};
    if (result.error == 0) result.error = get_page(table, count, &result.page);
    if (write(report, &result, sizeof result) != (ssize_t)sizeof result) _exit(1);
    for (;;) pause();
}
