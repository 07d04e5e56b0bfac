#include "freeze/calls/healed_calls.h"

#include "freeze/calls/filters.h"
#include "freeze/hold/freeze.h"
#include "freeze/hold/guard.h"
#include "freeze/process/proc_files.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <time.h>

enum {
    STOP_LIMIT_NS = 50 * 1000000,
    LOOK_NS = 100 * 1000,
    MAX_STOPS = 10, /* of threads that then could not take the call */
};

/* A filter may be installed at any time, in one thread only: look at this one, which stands.
 * Filters that are known to allow our calls are suspended all the same, for what runs in the clone
 * later. */
static enum injection set_options(struct patient *patient, uint64_t instruction,
                                  struct outcome *outcome) {
    enum { NO_FILTER, STRICT };
    const pid_t tid = patient->thread.tid;
    char text[TASK_STATUS_SIZE];
    if (!read_status(patient->pid, tid, text, sizeof text)) return INJECTION_GONE;
    const long mode = number_after(text, "Seccomp", NO_FILTER);
    uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK;
    outcome->error = EPERM;
    if (mode == STRICT) return INJECTION_BUSY;
    if (mode != NO_FILTER) {
        enum filter filter = judge_filters(tid, instruction);
        patient->has_filter = filter == FILTER_ALLOWS;
        if (filter == FILTER_FORBIDS ||
            (filter == FILTER_UNKNOWN && !has_filter_of_container(patient->pid, tid)))
            return INJECTION_BUSY;
    }
    if (patient->has_filter) options |= OPTION_SUSPEND_SECCOMP;
    if (traced(PTRACE_SETOPTIONS, tid, 0, options) == 0) return INJECTED;
    outcome->error = errno;
    return errno == ESRCH ? INJECTION_GONE : INJECTION_DENIED;
}

enum injection begin_healing(struct patient *patient, const struct gadgets *gadgets,
                             bool through_middle, struct outcome *outcome) {
    const pid_t tid = patient->thread.tid;
    *outcome = (struct outcome){.error = ENOEXEC};
    if (arch_get(tid, &patient->saved) != 0 || !get_signal_mask(tid, &patient->mask))
        return INJECTION_GONE;
    if (!arch_is_native(&patient->saved)) return INJECTION_DENIED;
    outcome->error = EFAULT;
    if (!gadgets_are_there(patient->pid, gadgets)) return INJECTION_DENIED;
    outcome->error = EAGAIN;
    if (in_restartable_sequence(tid, arch_program_counter(&patient->saved))) return INJECTION_BUSY;
    enum injection allowed = set_options(patient, gadgets->call, outcome);
    if (allowed != INJECTED) return allowed;

    mend_call(patient->thread, &patient->saved);
    patient->healing.gadgets = *gadgets;
    enum heal heal = arch_write_frames(patient->pid, tid, &patient->saved, patient->mask,
                                       through_middle, &patient->healing);
    if (heal != HEAL_READY) {
        outcome->error = ENOTSUP;
        return heal == HEAL_FAILED ? INJECTION_GONE : INJECTION_BUSY;
    }
    struct arch_state leads_home = patient->saved;
    arch_enter_frame(&leads_home, &patient->healing, HOME);
    if (arch_set(tid, &leads_home) != 0 || !set_signal_mask(tid, ~(uint64_t)0))
        return INJECTION_GONE;
    return INJECTED;
}

enum injection healed_call(struct patient *patient, long number,
                           const uint64_t arguments[CALL_ARGUMENTS], enum frame then,
                           on_created created, void *context, struct outcome *outcome) {
    struct arch_state prepared = patient->saved;
    arch_call_then(&prepared, &patient->healing, number, arguments, then);
    return run_call(patient->thread.tid, &prepared, created, context, outcome);
}

enum injection end_healing(struct patient *patient) {
    const pid_t tid = patient->thread.tid;
    if (enter_signal_path(tid) != INJECTED || !set_signal_mask(tid, patient->mask) ||
        arch_set(tid, &patient->saved) != 0)
        return INJECTION_GONE;
    return INJECTED;
}

static enum injection treat_thread(struct patient *patient, const struct gadgets *gadgets,
                                   bool through_middle, treatment treat, void *context,
                                   struct outcome *outcome) {
    enum injection begun = begin_healing(patient, gadgets, through_middle, outcome);
    if (begun != INJECTED) return begun;
    enum injection treated = treat(patient, context, outcome);
    if (treated == INJECTION_GONE) return treated;
    enum injection ended = end_healing(patient);
    return ended == INJECTED ? treated : ended;
}

/* A search for a thread that can be treated. */
struct search {
    pid_t pid;
    struct gadgets gadgets;
    bool through_middle;
    treatment treat;
    void *context;
    struct outcome *outcome;
    int64_t *pause_ns;
    struct failure *failure;
    int64_t guard_ns;
};

enum attempt { TREATED, FAILED, REFUSED, NOT_NOW };

static enum attempt treat_standing(const struct search *search, struct standing thread) {
    struct patient patient = {.pid = search->pid, .thread = thread};
    const int64_t start = now_ns();
    enum stop stop = request_stop(thread.tid);
    if (stop == THREAD_REFUSED) {
        *search->failure = (struct failure){"seize", errno, "the kernel refuses to trace it"};
        return REFUSED;
    }
    if (stop == THREAD_STOPPED) stop = await_stop(thread.tid, start + STOP_LIMIT_NS);
    if (stop == THREAD_LATE) keep_late(thread);
    if (stop != THREAD_STOPPED) return NOT_NOW;
    enum injection treated = treat_thread(&patient, &search->gadgets, search->through_middle,
                                          search->treat, search->context, search->outcome);
    let_go(thread);
    *search->pause_ns = now_ns() - start;
    const int error = search->outcome->error;
    if (treated == INJECTED) return TREATED;
    if (treated == INJECTION_DENIED) {
        *search->failure = (struct failure){"inject", error, "the call cannot be made"};
        return FAILED;
    }
    if (treated == INJECTION_BUSY && error == EPERM)
        *search->failure = (struct failure){"seccomp", error, "a filter forbids the call"};
    else if (treated == INJECTION_BUSY && error == ENOTSUP)
        *search->failure = (struct failure){"stack", error, "no thread can find back by itself"};
    else if (treated == INJECTION_BUSY)
        *search->failure = (struct failure){"section", error, "it is in a critical section"};
    return NOT_NOW;
}

static enum attempt try_thread(const struct search *search, struct standing thread) {
    if (!guard_for(search->guard_ns)) {
        *search->failure = NO_GUARD;
        return NOT_NOW;
    }
    const enum attempt attempt = treat_standing(search, thread);
    guard_end();
    return attempt;
}

/* Try the threads of a list; `tries` is how many more may be stopped. A refusal is final when all
 * are refused: a thread that is just ending is refused as well. */
static enum attempt try_threads(const struct search *search, const struct thread_list *list,
                                bool is_whole, int *tries) {
    int refused = 0;
    for (int i = 0; i < list->count && *tries > 0; i++) {
        struct standing thread = list->threads[i];
        thread.seen = look_at_thread(search->pid, thread.tid); /* the list may be old by now */
        if (thread.seen >= IN_LOSING_CALL) continue;
        enum attempt attempt = try_thread(search, thread);
        if (attempt == TREATED || attempt == FAILED) return attempt;
        *tries -= attempt == NOT_NOW;
        refused += attempt == REFUSED;
    }
    return refused > 0 && is_whole && refused == list->count ? FAILED : NOT_NOW;
}

/* The first thread in a safe call will do, and most often there is one; else all are looked at
 * until one has a better moment. */
static enum attempt try_round(const struct search *search, int *tries) {
    static struct thread_list list;
    enum attempt attempt = NOT_NOW;
    for (int first_safe = 1; first_safe >= 0 && attempt == NOT_NOW; first_safe--) {
        if (!list_threads(search->pid, first_safe, &list)) {
            *search->failure = (struct failure){"gone", ESRCH, "the process has ended"};
            return FAILED;
        }
        attempt = try_threads(search, &list, !first_safe, tries);
    }
    settle_late();
    return attempt;
}

bool treat_some_thread(pid_t pid, bool through_middle, int64_t within_ns, treatment treat,
                       void *context, struct outcome *outcome, int64_t *pause_ns,
                       struct failure *failure) {
    struct search search = {.pid = pid,
                            .through_middle = through_middle,
                            .treat = treat,
                            .context = context,
                            .outcome = outcome,
                            .pause_ns = pause_ns,
                            .failure = failure,
                            .guard_ns = guard_for_copy_ns(pid)};
    const int64_t deadline = now_ns() + within_ns;
    int tries = MAX_STOPS;
    *failure = (struct failure){"code", ENOEXEC, "its C library is of a kind that is not known"};
    if (!find_gadgets(pid, &search.gadgets)) return false;
    *failure = (struct failure){"busy", EAGAIN, "no thread can take the call now"};
    note_mappings(pid);
    enum attempt attempt;
    while ((attempt = try_round(&search, &tries)) == NOT_NOW && tries > 0 && now_ns() < deadline)
        nanosleep(&(struct timespec){0, LOOK_NS}, NULL);
    return attempt == TREATED;
}
