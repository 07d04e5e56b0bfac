#include "freeze/hold/freeze.h"

#include "freeze/hold/guard.h"
#include "freeze/process/proc_files.h"
#include "freeze/process/stillness.h"
#include "freeze/process/threads.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

enum {
    STOP_LIMIT_NS = 50 * 1000000,
    ROUNDS = 100,
    MAX_THREAD_IDS = 1 << 22,
    PATIENCE_NS = 100 * 1000000,
    LOOK_NS = 20 * 1000,
};

static struct {
    bool active;
    pid_t pid;
    int64_t since, deadline;
    struct thread_list threads;
    bool stands[MAX_THREADS]; /* false: in state D, or ended */
    int sleeping;
    struct sleeper sleepers[MAX_THREADS]; /* left alone: see pause_release */
} held;

/* The thread that woke up in the last pause of a process. */
static struct {
    pid_t pid, tid;
} restless;

bool pause_is_held(void) { return held.active; }

int64_t pause_deadline(void) { return held.active ? held.deadline : INT64_MAX; }

/* One bit for each thread id that there can be (PID_MAX_LIMIT): which are asked to stop. */
static uint8_t asked[MAX_THREAD_IDS / 8];

static bool is_asked(pid_t tid) { return (asked[tid / 8] >> tid % 8 & 1) != 0; }

static void set_asked(pid_t tid, bool value) {
    const uint8_t bit = (uint8_t)(1 << tid % 8);
    asked[tid / 8] = value ? asked[tid / 8] | bit : asked[tid / 8] & (uint8_t)~bit;
}

static struct sleeper *sleeper_of(pid_t tid) {
    for (int i = 0; i < held.sleeping; i++)
        if (held.sleepers[i].tid == tid) return &held.sleepers[i];
    return NULL;
}

/* Leave a thread asleep in a call that a stop would cut short. True when that is news. */
static bool leave_asleep(pid_t tid) {
    struct sleeper now, *known = sleeper_of(tid);
    if (!note_sleeper(held.pid, tid, &now)) return true; /* it has just woken up */
    if (known != NULL && known->switches == now.switches) return false;
    if (known == NULL) known = &held.sleepers[held.sleeping++];
    *known = now;
    return true;
}

static void drop_sleeper(pid_t tid) {
    struct sleeper *known = sleeper_of(tid);
    if (known != NULL) *known = held.sleepers[--held.sleeping];
}

/* A walk over all threads. `news`: something is not as it was in the one before. */
struct walk {
    int refused; /* an errno */
    bool news;
};

/* Ask a thread to stop, unless that would cost it something. It is looked at just before. */
static bool ask(pid_t tid, void *context) {
    struct walk *walk = context;
    if (tid >= MAX_THREAD_IDS || is_asked(tid)) return true;
    const struct standing thread = {tid, look_at_thread(held.pid, tid)};
    if (thread.seen == IN_LOSING_CALL && held.sleeping < MAX_THREADS) {
        walk->news |= leave_asleep(tid);
        return true;
    }
    drop_sleeper(tid);
    enum stop stop = thread.seen == ENDED ? THREAD_GONE : request_stop(tid);
    if (stop == THREAD_REFUSED) walk->refused = errno;
    if (stop == THREAD_STOPPED) {
        held.threads.threads[held.threads.count++] = thread;
        set_asked(tid, true);
    }
    walk->news |= thread.seen != ENDED;
    return held.threads.count < MAX_THREADS;
}

/* A thread that does not stop in time is inside the kernel (state D) and will stop before it runs
 * any code of the target, so the heap stands still all the same. */
static void await_new(int first) {
    int64_t limit = now_ns() + STOP_LIMIT_NS;
    for (int i = first; i < held.threads.count; i++)
        held.stands[i] = await_stop(held.threads.threads[i].tid, limit) == THREAD_STOPPED;
}

/* A thread that woke up while the others stood is better met awake, when it can be stopped. */
static void await_restless(pid_t pid) {
    const int64_t deadline = now_ns() + PATIENCE_NS;
    while (restless.pid == pid && now_ns() < deadline &&
           look_at_thread(pid, restless.tid) == IN_LOSING_CALL)
        nanosleep(&(struct timespec){0, LOOK_NS}, NULL);
    restless.pid = 0;
}

bool pause_target(pid_t pid, int64_t limit_ns, int *threads, struct failure *failure) {
    await_restless(pid);
    if (!guard_for(GUARD_NS)) {
        *failure = NO_GUARD;
        return false;
    }
    held.pid = pid;
    held.threads.count = held.sleeping = 0;
    held.since = now_ns();
    held.deadline = limit_ns > 0 ? held.since + limit_ns : INT64_MAX;
    held.active = true;
    struct walk walk = {0, true};
    bool exists = false;
    /* A running thread can start another one before it stops, or wake one: go on until nothing is
     * new. A refusal is final only when it stays, for a thread that is just ending is refused as
     * well. */
    for (int round = 0; round < ROUNDS && walk.news; round++) {
        const int first = held.threads.count;
        walk = (struct walk){0, false};
        exists = each_thread(pid, ask, &walk);
        await_new(first);
        if (walk.refused != 0 && held.threads.count == 0) break;
    }
    exists = exists && held.threads.count + held.sleeping > 0;
    if (walk.refused == 0 && exists && !walk.news && held.threads.count < MAX_THREADS) {
        *threads = held.threads.count + held.sleeping;
        return true;
    }
    if (walk.refused != 0)
        *failure = (struct failure){"seize", walk.refused, "the kernel refuses to trace it"};
    else if (!exists)
        *failure = (struct failure){"gone", ESRCH, "the process has ended"};
    else if (walk.news)
        *failure = (struct failure){"busy", EAGAIN, "its threads come and go too fast"};
    else
        *failure = (struct failure){"threads", E2BIG, "it has too many threads"};
    pause_release(&limit_ns);
    return false;
}

bool pause_release(int64_t *pause_ns) {
    bool stood = true;
    for (int i = 0; i < held.sleeping && stood; i++) {
        stood = slept_on(held.pid, &held.sleepers[i]);
        restless.pid = stood ? 0 : held.pid;
        restless.tid = held.sleepers[i].tid;
    }
    for (int i = 0; i < held.threads.count; i++) {
        set_asked(held.threads.threads[i].tid, false);
        if (held.stands[i])
            let_go(held.threads.threads[i]);
        else
            keep_late(held.threads.threads[i]);
    }
    guard_end();
    *pause_ns = now_ns() - held.since;
    held.active = false;
    return stood;
}
