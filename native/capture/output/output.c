#include "capture/output/output.h"

#include "freeze/hold/group_watch.h"
#include "freeze/process/threads.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOK_MS = 200,   /* how often the parent is looked at while the reader takes nothing */
    STALL_MS = 60000 /* a reader that takes nothing for so long will not; the clone costs memory */
};

static struct {
    int signals;
    pid_t parent;
    bool can_wait; /* a pipe or a socket: a write of more than fits would wait in the kernel */
    int signal_number;
    uint64_t written;
} state;

bool output_begin(void) {
    sigset_t all, ending;
    struct stat about;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigaddset(&ending, SIGQUIT);
    state.parent = getppid();
    state.signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    if (state.signals < 0 || fstat(STDOUT_FILENO, &about) != 0) return false;
    state.can_wait = !S_ISREG(about.st_mode) && !S_ISBLK(about.st_mode);
    return true;
}

bool output_may_go_on(struct failure *failure) {
    struct signalfd_siginfo came;
    if (read(state.signals, &came, sizeof came) == sizeof came) {
        state.signal_number = (int)came.ssi_signo;
        *failure = (struct failure){"signal", EINTR, "interrupted"};
    } else if (getppid() != state.parent) {
        *failure = (struct failure){"signal", ECHILD, "the program that started this one ended"};
    } else if (pause_deadline() <= now_ns()) {
        *failure = (struct failure){"limit", ETIME, "the pause took too long"};
    } else if (watch_has_ended()) {
        *failure = (struct failure){"short", ENOMEM, "its clone was ended in time"};
    } else {
        return true;
    }
    return false;
}

static int wait_ms(void) {
    const int64_t remaining = (pause_deadline() - now_ns()) / 1000000;
    return remaining < 0 ? 0 : remaining < LOOK_MS ? (int)remaining : LOOK_MS;
}

/* Wait until the reader takes something. */
static bool await_reader(struct failure *failure) {
    const int64_t since = now_ns();
    for (;;) {
        struct pollfd files[] = {{.fd = STDOUT_FILENO, .events = POLLOUT},
                                 {.fd = state.signals, .events = POLLIN}};
        const int ready = poll(files, 2, wait_ms());
        if (!output_may_go_on(failure)) return false;
        if (ready > 0 && files[0].revents != 0)
            return true; /* an error of it is met by the write */
        if (now_ns() - since > (int64_t)STALL_MS * 1000000) {
            *failure = (struct failure){"stall", ETIMEDOUT, "the reader takes nothing"};
            return false;
        }
    }
}

bool output_write(const void *data, size_t size, struct failure *failure) {
    const char *at = data;
    while (size > 0) {
        if (state.can_wait ? !await_reader(failure) : !output_may_go_on(failure)) return false;
        /* So much can be written without a wait when a pipe is ready. */
        const size_t part = state.can_wait && size > PIPE_BUF ? PIPE_BUF : size;
        const ssize_t written = write(STDOUT_FILENO, at, part);
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (written < 0) {
            *failure = (struct failure){"write", errno, "the output cannot be written"};
            return false;
        }
        at += written;
        size -= (size_t)written;
        state.written += (uint64_t)written;
    }
    return true;
}

uint64_t output_written(void) { return state.written; }

void output_end_by_signal(void) {
    sigset_t one;
    if (state.signal_number == 0) return;
    sigemptyset(&one);
    sigaddset(&one, state.signal_number);
    signal(state.signal_number, SIG_DFL);
    raise(state.signal_number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
}
