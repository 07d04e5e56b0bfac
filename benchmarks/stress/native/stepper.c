/* Runs the freeze helper in its place and stops it before and after each of its system calls.
 *
 * Beside this program lies `order`: HELPER STEP ACTION VICTIM. Steps are counted from the first order
 * that the helper reads. At the step the victim (helper, dump or both) gets the action: kill, stop,
 * int, term, or for the helper hang: it does not go on before the file `go` is there. A line of
 * `report` says at which call that was, the last one how many steps there were. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 1024, POLL_NS = 5000000, LONGEST_POLLS = 4000 };

static char folder[PATH_SIZE], helper[PATH_SIZE], action[16], victim[16];
static long step;

static void report(const char *text, long number)
{
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/report", folder);
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return;
    fprintf(file, "%s %ld\n", text, number);
    fclose(file);
}

static bool read_order(const char *program)
{
    char path[PATH_SIZE + 16];
    snprintf(folder, sizeof folder, "%s", program);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    snprintf(path, sizeof path, "%s/order", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool whole = fscanf(file, "%1023s %ld %15s %15s", helper, &step, action, victim) == 4;
    fclose(file);
    return whole;
}

static void wait_for_go(void)
{
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/go", folder);
    struct timespec poll = {.tv_nsec = POLL_NS};
    for (int i = 0; i < LONGEST_POLLS && access(path, F_OK) != 0; i++)
        nanosleep(&poll, NULL);
}

static void act(pid_t child)
{
    static const struct { const char *name; int number; } signals[] = {
        {"kill", SIGKILL}, {"stop", SIGSTOP}, {"int", SIGINT}, {"term", SIGTERM}};
    if (strcmp(action, "hang") == 0) {
        wait_for_go();
        return;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (strcmp(action, signals[i].name) != 0)
            continue;
        if (strcmp(victim, "helper") != 0)
            kill(getppid(), signals[i].number);
        if (strcmp(victim, "dump") != 0)
            kill(child, signals[i].number);
    }
}

/* Step through the helper until it ends; returns its wait status. */
static int watch(pid_t child)
{
    long count = 0;
    bool counting = false, reads_order = false;
    int status, signal_number = 0;
    while (ptrace(PTRACE_SYSCALL, child, 0, (void *)(long)signal_number) == 0) {
        if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            break;
        signal_number = 0;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
            signal_number = WSTOPSIG(status);
            continue;
        }
        struct __ptrace_syscall_info call = {0};
        ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof call, &call);
        bool enters = call.op == PTRACE_SYSCALL_INFO_ENTRY;
        if (counting && ++count == step) {
            report("acted", enters ? (long)call.entry.nr : -1);
            act(child);
        }
        counting = counting || (!enters && reads_order);
        reads_order = enters && call.entry.nr == SYS_read && call.entry.args[0] == STDIN_FILENO;
    }
    report("steps", count);
    return status;
}

int main(int count, char **arguments)
{
    int status;
    if (count < 1 || !read_order(arguments[0])) {
        fprintf(stderr, "stepper: no order beside %s\n", arguments[0]);
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execl(helper, helper, (char *)NULL);
        _exit(127);
    }
    close(STDIN_FILENO); /* the helper alone has them: their ends must be seen */
    close(STDOUT_FILENO);
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return 127;
    ptrace(PTRACE_SETOPTIONS, child, 0, (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    status = watch(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
