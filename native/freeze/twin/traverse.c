#include "freeze/twin/traverse.h"

#include "freeze/calls/inject.h"
#include "freeze/process/threads.h"
#include "freeze/twin/memory_calls.h"
#include "freeze/twin/twin.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

enum {
    STACK_SIZE = 1 << 20,
    CODE_SIZE = 1 << 16,
    CALL_STOP = SIGTRAP | 0x80,
    WATCH_NS = 10 * 1000000, /* how often it is looked how much memory a twin has */
};

static struct {
    pid_t child; /* the process that this was mapped into */
    uint64_t code, stack_top;
    struct arch_state start; /* as it was before any code of the target ran in it */
    bool at_breakpoint;      /* of the stub: passed before it goes on */
} mapped;

static const struct failure clone_is_gone = {"gone", ESRCH, "the clone has ended"};

static bool map_in(pid_t child, struct call call, uint64_t size, int protection, uint64_t *address,
                   struct failure *failure) {
    struct outcome outcome;
    call.number = SYS_mmap;
    call.arguments[1] = size;
    call.arguments[2] = (uint64_t)protection;
    call.arguments[3] = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    call.arguments[4] = ~(uint64_t)0;
    enum injection injection = inject(child, &call, &outcome);
    if (injection == INJECTION_GONE) {
        *failure = clone_is_gone;
        return false;
    }
    int error = injection == INJECTED ? (int)-outcome.result : outcome.error;
    if (injection != INJECTED || (outcome.result < 0 && outcome.result >= -4095)) {
        *failure = (struct failure){"map", error, "no memory of this kind in the clone"};
        return false;
    }
    *address = (uint64_t)outcome.result;
    return true;
}

/* Written past the protection of the page, as debuggers do: it is never writable for the clone, so
 * hosts that forbid memory that is both writable and executable allow it. */
static bool write_stub(pid_t child, uint64_t code) {
    size_t size = (size_t)(arch_stub_end - arch_stub);
    for (size_t at = 0; at < size; at += sizeof(long)) {
        long word = 0;
        memcpy(&word, arch_stub + at, size - at < sizeof word ? size - at : sizeof word);
        if (traced(PTRACE_POKETEXT, child, code + at, (uintptr_t)word) != 0) return false;
    }
    return true;
}

bool traverse_map(uint64_t size, uint64_t *address, struct failure *failure) {
    struct call call;
    pid_t child = code_child(&call);
    uint64_t total = size + STACK_SIZE, code;
    mapped.child = 0;
    if (!map_in(child, call, total, PROT_READ | PROT_WRITE, address, failure) ||
        !map_in(child, call, CODE_SIZE, PROT_READ | PROT_EXEC, &code, failure))
        return false;
    *failure = (struct failure){"map", errno, "the stub cannot be written"};
    if (!write_stub(child, code) || arch_get(child, &mapped.start) != 0) return false;
    mapped.child = child;
    forget_granted_memory();
    mapped.code = code;
    mapped.stack_top = (*address + total) & ~(uint64_t)15;
    return true;
}

static bool in_stub(uint64_t program_counter) { return program_counter - mapped.code < CODE_SIZE; }

/* The clone stands in the middle of its code: say why. False: go on, it was for no reason of its
 * own (it belongs to the target's process group, and gets that group's stop signals). */
static bool has_ended(pid_t child, int status, bool interrupted, struct run_end *end) {
    struct arch_state state;
    int stopped_by = WSTOPSIG(status);
    if (status >> 16 == SEIZED_STOP || stopped_by == SIGSTOP) {
        *end = (struct run_end){RAN_LIMIT, 0};
        return interrupted;
    }
    *end = (struct run_end){RAN_SIGNAL, stopped_by};
    if (arch_get(child, &state) != 0) return true;
    if (stopped_by == CALL_STOP)
        *end = (struct run_end){RAN_CALL, state.system_call};
    else if (stopped_by == SIGTRAP && in_stub(arch_program_counter(&state)))
        *end = (struct run_end){RAN_STUB, 0};
    return true;
}

/* As await_change; also 0 when a twin has come to more memory than it may have. */
static int await_end(pid_t child, int *status, int64_t deadline) {
    for (;;) {
        const int64_t next = now_ns() + WATCH_NS;
        const bool is_last = !twin_is_held() || deadline <= next;
        const int change = await_change(child, status, is_last ? deadline : next);
        if (change != 0 || is_last || twin_is_over_budget()) return change;
    }
}

static bool run_to_end(pid_t child, bool may_allocate, int64_t deadline, struct run_end *end) {
    const uint64_t call_place =
        twin_is_held() ? twin_call_place() : mapped.code + (uint64_t)(arch_stub_call - arch_stub);
    bool interrupted = false;
    for (;;) {
        /* A system call only stops it and is not made: not a file, lock or signal of the target
         * can be touched. */
        if (traced(PTRACE_SYSEMU, child, 0, 0) != 0) return false;
        int status, change = await_end(child, &status, deadline);
        if (change == 0) {
            traced(PTRACE_INTERRUPT, child, 0, 0);
            interrupted = true;
            change = await_change(child, &status, INT64_MAX);
        }
        if (change != 1 || !WIFSTOPPED(status)) return false;
        if (!has_ended(child, status, interrupted, end)) continue;
        if (end->reason != RAN_CALL || !may_allocate || !grant_memory_call(child, call_place))
            return true;
    }
}

bool traverse_run(uint64_t control, int64_t limit_ns, struct run_end *end,
                  struct failure *failure) {
    struct call call;
    struct arch_state state;
    pid_t child = code_child(&call);
    *failure = (struct failure){"usage", EINVAL, "nothing is mapped for it"};
    if (mapped.child != child) return false;
    *failure = clone_is_gone;
    uintptr_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
    if (traced(PTRACE_SETOPTIONS, child, 0, options) != 0 || arch_get(child, &state) != 0)
        return false;
    if (control != 0) {
        state = mapped.start; /* whatever was left behind, in the segment registers for instance */
        arch_prepare_stub(&state, mapped.code, mapped.stack_top, control);
    } else if (mapped.at_breakpoint) {
        arch_pass_breakpoint(&state);
    }
    if (arch_set(child, &state) != 0 ||
        !run_to_end(child, !call.suspend_seccomp, now_ns() + limit_ns, end))
        return false;
    mapped.at_breakpoint = end->reason == RAN_STUB;
    if (twin_is_held() && twin_is_over_budget()) {
        twin_end();
        *end = (struct run_end){RAN_MEMORY, 0};
    }
    return true;
}
