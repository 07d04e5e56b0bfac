#include "freeze/twin/memory_calls.h"

#include "freeze/arch/arch.h"
#include "freeze/process/threads.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The thread that was cloned may never have used an allocator or an extension's thread-local data
 * before: extensions written in Rust then allocate in their traverse functions. */
enum { MAX_GRANTED = 64, CALL_LIMIT_NS = 1000000000 };

static struct {
    int count;
    uint64_t starts[MAX_GRANTED], ends[MAX_GRANTED];
} granted;

void forget_granted_memory(void) { granted.count = 0; }

/* Only what was mapped here may be changed: the rest of the memory is still to be read. */
static bool is_granted(uint64_t start, uint64_t size) {
    for (int i = 0; i < granted.count; i++)
        if (start >= granted.starts[i] && start <= granted.ends[i] &&
            size <= granted.ends[i] - start)
            return true;
    return false;
}

static bool is_memory_call(long number, const uint64_t arguments[CALL_ARGUMENTS]) {
    const uint64_t flags = arguments[3];
    switch (number) {
    case SYS_mmap:
        return granted.count < MAX_GRANTED && (flags & MAP_ANONYMOUS) != 0 &&
               (flags & MAP_TYPE) == MAP_PRIVATE && (flags & MAP_FIXED) == 0 &&
               (arguments[2] & PROT_EXEC) == 0;
    case SYS_munmap: return is_granted(arguments[0], arguments[1]);
    case SYS_mprotect:
        return is_granted(arguments[0], arguments[1]) && (arguments[2] & PROT_EXEC) == 0;
    default: return false;
    }
}

/* The call itself was not made, only asked for: it is made from an instruction of ours, and the
 * breakpoint behind that instruction gives the clone back before it runs anything else. */
static bool make_call(pid_t child, struct arch_state *state) {
    int status;
    if (arch_set(child, state) != 0 || traced(PTRACE_CONT, child, 0, 0) != 0) return false;
    return await_change(child, &status, now_ns() + CALL_LIMIT_NS) == 1 && WIFSTOPPED(status) &&
           status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP && arch_get(child, state) == 0;
}

bool grant_memory_call(pid_t child, uint64_t call_place) {
    struct arch_state before, state;
    uint64_t arguments[CALL_ARGUMENTS];
    if (arch_get(child, &before) != 0) return false;
    const long number = before.system_call;
    arch_call_arguments(&before, arguments);
    if (!is_memory_call(number, arguments)) return false;
    state = before;
    arch_prepare_call(&state, call_place, number, arguments);
    if (!make_call(child, &state)) return false;
    const long result = arch_call_result(&state);
    if (number == SYS_mmap && (result > 0 || result < -4095)) {
        granted.starts[granted.count] = (uint64_t)result;
        granted.ends[granted.count++] = (uint64_t)result + arguments[1];
    }
    arch_return_from_call(&before, result);
    return arch_set(child, &before) == 0;
}
