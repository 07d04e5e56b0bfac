#include "freeze/hold/freeze.h"

#include "freeze/calls/healed_calls.h"
#include "freeze/hold/group_watch.h"
#include "freeze/process/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The copy is made through a middle process, which shares the memory of the target and ends at
 * once:
 *
 *   target --clone(VM | VFORK | FILES)--> middle --clone(FILES)--> copy
 *
 * The middle one gives up its descriptors first, so the copy holds none; the target's own thread
 * waits for the middle one, which is gone then; and the copy is nobody's child but init's: no wait
 * of the target ever sees it, also when we are killed.
 *
 * Where the copy would be handed to the target itself (process 1 of a container, a subreaper), it
 * is made a child of the target without a signal at its end, as a clone without a middle is. */

enum {
    PATIENCE_NS = 1000 * 1000000,
    MIDDLE_FLAGS = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS | CLONE_PARENT_SETTID,
    DIRECT_FLAGS = CLONE_FILES | CLONE_PARENT_SETTID, /* exit signal 0: no SIGCHLD */
};

static struct {
    pid_t target;
    int target_file;    /* pidfd; -1 where the kernel has none */
    pid_t child;        /* 0: none is held */
    long number_inside; /* the child's pid in the target's pid namespace; 0 where it is no child */
    uint64_t instruction;
    bool has_filter;
} held = {.target_file = -1};

bool clone_is_held(void) { return held.child != 0; }

int clone_target(void) { return held.child != 0 ? held.target_file : -1; }

pid_t clone_child(struct call *call) {
    *call = (struct call){.instruction = held.instruction, .suspend_seccomp = held.has_filter};
    return held.child;
}

struct cloning {
    pid_t copy;
    long error;
};

static uintptr_t child_options(const struct patient *patient) {
    return PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
           (patient->has_filter ? (uintptr_t)OPTION_SUSPEND_SECCOMP : 0);
}

/* Let the middle process run to the copy that it makes. A stop signal to the process group of the
 * target reaches it as well, and is swallowed: the target's own thread waits for it. */
static pid_t follow_middle(pid_t middle) {
    int status;
    unsigned long copy = 0;
    while (traced(PTRACE_CONT, middle, 0, 0) == 0 &&
           await_change(middle, &status, INT64_MAX) == 1 && WIFSTOPPED(status))
        if (status >> 16 == PTRACE_EVENT_CLONE) {
            traced(PTRACE_GETEVENTMSG, middle, 0, (uintptr_t)&copy);
            watch_hold((pid_t)copy);
            break;
        }
    return (pid_t)copy;
}

struct made {
    const struct patient *patient;
    pid_t copy;
};

static void take_middle(pid_t middle, void *context) {
    struct made *made = context;
    if (await_stop(middle, INT64_MAX) != THREAD_STOPPED) return;
    traced(PTRACE_SETOPTIONS, middle, 0, child_options(made->patient));
    pid_t copy = follow_middle(middle); /* it ends with us from its first moment on */
    if (copy != 0 && await_stop(copy, INT64_MAX) == THREAD_STOPPED) made->copy = copy;
    traced(PTRACE_DETACH, middle, 0, 0);
}

/* The copy is a child of the target and shares its descriptors: make it give them up. */
static void take_direct(pid_t copy, void *context) {
    struct made *made = context;
    watch_hold(copy);
    if (await_stop(copy, INT64_MAX) != THREAD_STOPPED) return;
    traced(PTRACE_SETOPTIONS, copy, 0, child_options(made->patient));
    made->copy = copy;
    enum { STOPS = 4 }; /* rt_sigreturn and close_range, where each begins and ends */
    int status;
    for (int stop = 0; arch_heals() && stop < STOPS;) {
        if (traced(PTRACE_SYSCALL, copy, 0, 0) != 0 ||
            await_change(copy, &status, INT64_MAX) != 1 || !WIFSTOPPED(status)) {
            made->copy = 0;
            return;
        }
        stop += WSTOPSIG(status) == (SIGTRAP | 0x80);
    }
}

/* True when orphans in the target's session come to the target itself. */
static bool adopts_orphans(struct patient *patient) {
    const uint64_t arguments[CALL_ARGUMENTS] = {PR_GET_CHILD_SUBREAPER, patient->healing.word};
    struct outcome outcome = {0};
    if (patient->healing.word == 0 ||
        healed_call(patient, SYS_prctl, arguments, HOME, NULL, NULL, &outcome) != INJECTED)
        return false;
    uint64_t answer =
        (uint64_t)traced(PTRACE_PEEKDATA, patient->thread.tid, patient->healing.word, 0);
    return (uint32_t)answer != 0;
}

enum { ADOPTS = ECANCELED }; /* no result of the calls that are made */

static enum injection clone_through_middle(struct patient *patient, void *context,
                                           struct outcome *outcome) {
    struct made *made = context;
    made->patient = patient;
    if (adopts_orphans(patient)) {
        outcome->result = -ADOPTS;
        return INJECTED;
    }
    const uint64_t arguments[CALL_ARGUMENTS] = {MIDDLE_FLAGS, patient->healing.frames[CLOSE],
                                                patient->healing.cloned_pid};
    enum injection run =
        healed_call(patient, SYS_clone, arguments, REAP, take_middle, made, outcome);
    held.instruction = patient->healing.gadgets.call;
    held.has_filter = patient->has_filter;
    if (run != INJECTED || outcome->result < 0) return run;
    struct outcome reaped;
    const uint64_t middle[CALL_ARGUMENTS] = {(uint64_t)outcome->result, 0, (uint64_t)__WALL, 0};
    return healed_call(patient, SYS_wait4, middle, HOME, NULL, NULL, &reaped);
}

static enum injection clone_directly(struct patient *patient, void *context,
                                     struct outcome *outcome) {
    struct made *made = context;
    made->patient = patient;
    const uint64_t arguments[CALL_ARGUMENTS] = {DIRECT_FLAGS, patient->healing.frames[CLOSE],
                                                patient->healing.cloned_pid};
    held.instruction = patient->healing.gadgets.call;
    held.has_filter = patient->has_filter;
    return healed_call(patient, SYS_clone, arguments, REAP, take_direct, made, outcome);
}

static int open_target(pid_t pid) {
#ifdef SYS_pidfd_open
    int file = (int)syscall(SYS_pidfd_open, pid, 0);
    if (file >= 0) fcntl(file, F_SETFD, FD_CLOEXEC);
    return file;
#else
    (void)pid;
    return -1;
#endif
}

/* False: no thread could be asked, or the copy was not made. */
static bool make_clone(pid_t pid, int64_t *pause_ns, struct failure *failure) {
    struct outcome outcome = {0};
    struct made made = {0};
    bool direct = !arch_heals() || is_first_of_namespace(pid), treated = false;
    if (!direct) {
        treated = treat_some_thread(pid, true, PATIENCE_NS, clone_through_middle, &made, &outcome,
                                    pause_ns, failure);
        direct = treated && outcome.result == -ADOPTS;
    }
    if (direct)
        treated = treat_some_thread(pid, false, PATIENCE_NS, clone_directly, &made, &outcome,
                                    pause_ns, failure);
    if (!treated) return false;
    if (outcome.result < 0) {
        *failure = (struct failure){"clone", (int)-outcome.result, "clone failed in the target"};
        return false;
    }
    /* The middle process was made and its copy was not: a limit on processes, or on memory. */
    *failure = (struct failure){"clone", EAGAIN, "the copy could not be made"};
    if (made.copy == 0) return false;
    held.target = pid;
    held.target_file = open_target(pid);
    held.child = made.copy;
    held.number_inside = direct ? outcome.result : 0;
    return true;
}

bool clone_freeze(pid_t pid, pid_t *child, int64_t *pause_ns, struct failure *failure) {
    struct shortage shortage;
    if (!watch_begin(&shortage)) {
        *failure = (struct failure){"memory", ENOMEM, "memory is short already"};
        if (shortage.place < 0) failure->text = "memory cannot be watched";
        return false;
    }
    hurry(0, true);
    bool made = make_clone(pid, pause_ns, failure);
    hurry(0, false);
    *child = held.child;
    if (!made && !watch_end(&shortage))
        *failure = (struct failure){"memory", ENOMEM, "memory ran short while it was made"};
    return made;
}

bool clone_release(int64_t *pause_ns) {
    int status;
    *pause_ns = 0;
    kill(held.child, SIGKILL);
    do /* a stop that was reported before the kill may still be queued */
        if (await_change(held.child, &status, INT64_MAX) != 1) break;
    while (WIFSTOPPED(status));
    held.child = 0;
    if (held.target_file >= 0) close(held.target_file);
    held.target_file = -1;
    return held.number_inside == 0 || forget_child(held.target, held.number_inside, pause_ns);
}
