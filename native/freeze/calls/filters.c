#include "freeze/calls/filters.h"

#include "freeze/arch/arch.h"
#include "freeze/process/proc_files.h"
#include "freeze/process/threads.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define GET_FILTER 0x420c /* PTRACE_SECCOMP_GET_FILTER */

enum { MAX_FILTERS = 64 };

/* The machine that the kernel runs filters on: two registers and a few words (linux/filter.h). */
struct machine {
    uint32_t a, x, memory[BPF_MEMWORDS];
    const uint32_t *data; /* struct seccomp_data, word by word */
};

static bool calculate(struct machine *machine, const struct sock_filter *step) {
    const uint32_t value = BPF_SRC(step->code) == BPF_X ? machine->x : step->k;
    switch (BPF_OP(step->code)) {
    case BPF_ADD: machine->a += value; return true;
    case BPF_SUB: machine->a -= value; return true;
    case BPF_MUL: machine->a *= value; return true;
    case BPF_DIV: machine->a = value == 0 ? 0 : machine->a / value; return value != 0;
    case BPF_OR: machine->a |= value; return true;
    case BPF_AND: machine->a &= value; return true;
    case BPF_XOR: machine->a ^= value; return true;
    case BPF_LSH: machine->a <<= value & 31; return true;
    case BPF_RSH: machine->a >>= value & 31; return true;
    case BPF_NEG: machine->a = -machine->a; return true;
    default: return false;
    }
}

/* Steps to go on by; negative for one that is not known. */
static int jump(const struct machine *machine, const struct sock_filter *step) {
    const uint32_t value = BPF_SRC(step->code) == BPF_X ? machine->x : step->k;
    bool holds;
    switch (BPF_OP(step->code)) {
    case BPF_JA: return (int)step->k;
    case BPF_JEQ: holds = machine->a == value; break;
    case BPF_JGT: holds = machine->a > value; break;
    case BPF_JGE: holds = machine->a >= value; break;
    case BPF_JSET: holds = (machine->a & value) != 0; break;
    default: return -1;
    }
    return holds ? step->jt : step->jf;
}

static bool load(struct machine *machine, const struct sock_filter *step) {
    uint32_t *to = BPF_CLASS(step->code) == BPF_LD ? &machine->a : &machine->x;
    switch (BPF_MODE(step->code)) {
    case BPF_IMM: *to = step->k; return true;
    case BPF_LEN: *to = sizeof(struct seccomp_data); return true;
    case BPF_MEM: *to = step->k < BPF_MEMWORDS ? machine->memory[step->k] : 0; return true;
    case BPF_ABS:
        if (step->k % sizeof(uint32_t) != 0 || step->k >= sizeof(struct seccomp_data)) return false;
        *to = machine->data[step->k / sizeof(uint32_t)];
        return true;
    default: return false;
    }
}

/* What the filter answers; SECCOMP_RET_KILL_PROCESS where a step of it is not known. */
static uint32_t run_filter(const struct sock_filter *steps, int count,
                           const struct seccomp_data *data) {
    struct machine machine = {.data = (const uint32_t *)(const void *)data};
    for (int at = 0; at < count; at++) {
        const struct sock_filter *step = &steps[at];
        bool known = true;
        int over = 0;
        switch (BPF_CLASS(step->code)) {
        case BPF_LD:
        case BPF_LDX: known = load(&machine, step); break;
        case BPF_ST:
        case BPF_STX:
            known = step->k < BPF_MEMWORDS;
            if (known)
                machine.memory[step->k] = BPF_CLASS(step->code) == BPF_ST ? machine.a : machine.x;
            break;
        case BPF_ALU: known = calculate(&machine, step); break;
        case BPF_JMP:
            over = jump(&machine, step);
            known = over >= 0;
            break;
        case BPF_RET: return BPF_RVAL(step->code) == BPF_A ? machine.a : step->k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(step->code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
        }
        if (!known || over >= count - at) break;
        at += over;
    }
    return SECCOMP_RET_KILL_PROCESS;
}

/* All that the frames of heal.h call, and who writes them, with the arguments that tell. */
static const struct {
    long number;
    uint64_t first, second, third;
} calls[] = {
    {SYS_rt_sigreturn, 0, 0, 0},
    {SYS_prctl, PR_GET_CHILD_SUBREAPER, 0, 0},
    {SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS | CLONE_PARENT_SETTID, 0, 0},
    {SYS_clone, CLONE_FILES | CLONE_PARENT_SETTID, 0, 0},
    {SYS_clone, CLONE_FILES, 0, 0},
    {SYS_close_range, 0, UINT_MAX, 2},
    {SYS_wait4, 1, 0, 0x40000000},
    {SYS_exit_group, 0, 0, 0},
};

static bool allows_all(const struct sock_filter *steps, int count, uint64_t instruction) {
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const struct seccomp_data data = {
            .nr = (int)calls[i].number,
            .arch = ARCH_AUDIT,
            .instruction_pointer = instruction,
            .args = {calls[i].first, calls[i].second, calls[i].third},
        };
        const uint32_t answer = run_filter(steps, count, &data) & SECCOMP_RET_ACTION_FULL;
        if (answer != SECCOMP_RET_ALLOW && answer != SECCOMP_RET_LOG) return false;
    }
    return true;
}

enum filter judge_filters(pid_t tid, uint64_t instruction) {
    static struct sock_filter steps[BPF_MAXINSNS];
    for (int number = 0; number < MAX_FILTERS; number++) {
        const long count = traced(GET_FILTER, tid, (uintptr_t)number, 0);
        if (count < 0) /* ENOENT: behind the last */
            return errno == ENOENT && number > 0 ? FILTER_ALLOWS : FILTER_UNKNOWN;
        if (count > BPF_MAXINSNS ||
            traced(GET_FILTER, tid, (uintptr_t)number, (uintptr_t)steps) != count)
            return FILTER_UNKNOWN;
        if (!allows_all(steps, (int)count, instruction)) return FILTER_FORBIDS;
    }
    return FILTER_UNKNOWN;
}

bool has_filter_of_container(pid_t pid, pid_t tid) {
    static const char *const runtimes[] = {"docker", "kubepods", "containerd", "crio", "libpod"};
    char text[TASK_STATUS_SIZE];
    if (!read_status(pid, tid, text, sizeof text) ||
        number_after(text, "Seccomp_filters", 0) != 1 ||
        !read_task_file(pid, tid, "cgroup", text, sizeof text))
        return false;
    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++)
        if (strstr(text, runtimes[i]) != NULL) return true;
    return false;
}
