/* The frames of heal.h on x86_64: struct rt_sigframe, as arch/x86/kernel/signal.c reads it. */
#include "freeze/arch/heal.h"
#include "freeze/arch/x86_64/registers.h"

#include "freeze/process/proc_files.h"
#include "freeze/process/threads.h"

#include <cpuid.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum {
    RED_ZONE = 128,
    FLOATING_POINT_ALIGNMENT = 64,
    LARGEST_STATE = 4096, /* without AMX, which takes 8 KiB more */
    NO_SUCH_PID = INT_MAX,
    UNSHARE = 2,          /* CLOSE_RANGE_UNSHARE */
    NO_STACK_MODE = 0x7f, /* no valid flag of sigaltstack: the kernel leaves the stack as it is */
    HAS_FLOATING_POINT = 1,
    HAS_SS = 2,
    STRICT_SS = 4, /* uc_flags */
    NUMBER_PLACE = 7,
    MOVE_NUMBER = 0xb8,
    CALL_CODE = 0x050f,
    STATE_SIZE_LEAF = 0xd,
    FEATURES_PLACE = 464,
    HEADER_PLACE = 512,
    HEADER_SIZE = 64,
};

#define MAGIC_BEFORE 0x46505853u /* FP_XSTATE_MAGIC1 */
#define MAGIC_BEHIND 0x46505845u /* FP_XSTATE_MAGIC2 */
#define AMX_FEATURES (UINT64_C(3) << 17)
#define REGISTER_SET_XSTATE 0x202 /* NT_X86_XSTATE */

static const unsigned char restore_bytes[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
static const unsigned char call_bytes[] = {0x0f, 0x05, 0xc3};
const struct code_pattern arch_restore_code = {restore_bytes, sizeof restore_bytes, 1};
const struct code_pattern arch_call_code = {call_bytes, sizeof call_bytes, 1};

/* The kernel's struct ucontext with the return address in front of it. */
struct context {
    uint64_t return_address;
    uint64_t flags, link;
    uint64_t stack_pointer, stack_flags, stack_size;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
    uint64_t eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, fault_address;
    uint64_t floating_point;
    uint64_t reserved[8];
    uint64_t mask;
};
_Static_assert(sizeof(struct context) == 8 + 304, "struct ucontext of the kernel");

bool arch_heals(void) { return true; }

static struct context call_context(const struct healing *healing, long number, uint64_t first,
                                   uint64_t second, uint64_t third, enum frame then) {
    return (struct context){.return_address = healing->gadgets.restore,
                            .flags = HAS_SS | STRICT_SS,
                            .stack_flags = NO_STACK_MODE,
                            .rdi = first,
                            .rsi = second,
                            .rdx = third,
                            .rax = (uint64_t)number,
                            .rsp = healing->frames[then],
                            .rip = healing->gadgets.call,
                            .eflags = INTERRUPTS_ONLY,
                            .cs = USER_CODE,
                            .ss = USER_DATA,
                            .mask = ~UINT64_C(0)};
}

static struct context home_context(const struct healing *healing,
                                   const struct user_regs_struct *from, uint64_t mask,
                                   uint64_t floating_point) {
    return (struct context){.return_address = healing->gadgets.restore,
                            .flags = HAS_FLOATING_POINT | HAS_SS | STRICT_SS,
                            .stack_flags = NO_STACK_MODE,
                            .r8 = from->r8,
                            .r9 = from->r9,
                            .r10 = from->r10,
                            .r11 = from->r11,
                            .r12 = from->r12,
                            .r13 = from->r13,
                            .r14 = from->r14,
                            .r15 = from->r15,
                            .rdi = from->rdi,
                            .rsi = from->rsi,
                            .rbp = from->rbp,
                            .rbx = from->rbx,
                            .rdx = from->rdx,
                            .rax = from->rax,
                            .rcx = from->rcx,
                            .rsp = from->rsp,
                            .rip = from->rip,
                            .eflags = from->eflags,
                            .cs = (uint16_t)from->cs,
                            .ss = (uint16_t)from->ss,
                            .floating_point = floating_point,
                            .mask = mask};
}

/* rt_sigreturn knows nothing of an interrupted call: it is made again from its instruction. A call
 * that was interrupted before is "restart_syscall" now; its number is in the instruction before, in
 * the way compilers write it. */
static void restart_call(pid_t tid, struct user_regs_struct *registers) {
    const long result = (long)registers->rax;
    if ((long)registers->orig_rax < 0 ||
        (result != -ERESTARTSYS && result != -ERESTARTNOINTR && result != -ERESTARTNOHAND &&
         result != -ERESTART_RESTARTBLOCK))
        return;
    registers->rax = registers->orig_rax;
    if (registers->orig_rax == SYS_restart_syscall) {
        errno = 0;
        const uint64_t code =
            (uint64_t)traced(PTRACE_PEEKDATA, tid, registers->rip - NUMBER_PLACE, 0);
        if (errno != 0 || (code & 0xff) != MOVE_NUMBER || (code >> 40 & 0xffff) != CALL_CODE) {
            registers->rax = (unsigned long long)-EINTR;
            return;
        }
        registers->rax = code >> 8 & UINT32_MAX;
    }
    registers->rip -= ARCH_CALL_SIZE;
}

/* Bytes of the floating-point image without the parts that are in `left_out`. */
static uint32_t size_without(uint64_t features, uint64_t left_out) {
    uint32_t end = HEADER_PLACE + HEADER_SIZE;
    for (unsigned feature = 2; feature < 63; feature++) {
        unsigned size, offset, flags, unused;
        if ((features & ~left_out) >> feature & 1) {
            __cpuid_count(STATE_SIZE_LEAF, feature, size, offset, flags, unused);
            if (offset + size > end) end = offset + size;
        }
    }
    return end;
}

/* The floating-point image as the kernel expects it in a frame. */
static enum heal read_floating_point(pid_t tid, unsigned char *image, uint32_t *size) {
    static unsigned char state[LARGEST_STATE + 16384];
    struct iovec vector = {state, sizeof state};
    if (traced(PTRACE_GETREGSET, tid, REGISTER_SET_XSTATE, (uintptr_t)&vector) != 0)
        return errno == ESRCH ? HEAL_FAILED : HEAL_NEVER;
    uint64_t features, in_use;
    memcpy(&features, state + FEATURES_PLACE, sizeof features);
    memcpy(&in_use, state + HEADER_PLACE, sizeof in_use);
    if ((in_use & AMX_FEATURES) != 0) return HEAL_NEVER;
    *size = (features & AMX_FEATURES) != 0 ? size_without(features, AMX_FEATURES)
                                           : (uint32_t)vector.iov_len;
    features &= ~AMX_FEATURES;
    if (*size + sizeof(uint32_t) > LARGEST_STATE || *size < HEADER_PLACE + HEADER_SIZE)
        return HEAL_NEVER;
    memcpy(image, state, *size);
    const uint32_t numbers[] = {MAGIC_BEFORE, *size + (uint32_t)sizeof(uint32_t),
                                (uint32_t)features, (uint32_t)(features >> 32), *size};
    memset(image + FEATURES_PLACE, 0, HEADER_PLACE - FEATURES_PLACE);
    memcpy(image + FEATURES_PLACE, numbers, sizeof numbers);
    const uint32_t behind = MAGIC_BEHIND;
    memcpy(image + *size, &behind, sizeof behind);
    *size += sizeof behind;
    return HEAL_READY;
}

/* A shadow stack holds the return addresses a second time: the chain would not match them. */
static bool has_shadow_stack(pid_t pid, pid_t tid) {
    char text[TASK_STATUS_SIZE];
    if (!read_status(pid, tid, text, sizeof text)) return true;
    const char *features = strstr(text, "x86_Thread_features:");
    if (features == NULL) return false;
    const char *end = strchr(features, '\n');
    const char *found = strstr(features, "shstk");
    return found != NULL && (end == NULL || found < end);
}

/* The stack is the one that the thread was started with: a small one of a coroutine, or of a signal
 * handler, may have something else below it. */
static bool has_room(const struct user_regs_struct *registers, uint64_t lowest) {
    uint64_t start, end;
    if (!writable_mapping_of(registers->rsp, &start, &end) || lowest < start) return false;
    const bool is_own = registers->fs_base >= start && registers->fs_base < end;
    return is_own || is_in_main_stack(registers->rsp);
}

static bool write_memory(pid_t tid, uint64_t address, void *data, size_t size) {
    struct iovec from = {data, size}, to = {(void *)(uintptr_t)address, size};
    return process_vm_writev(tid, &from, 1, &to, 1, 0) == (ssize_t)size;
}

enum heal arch_write_frames(pid_t pid, pid_t tid, const struct arch_state *home, uint64_t mask,
                            bool through_middle, struct healing *healing) {
    static struct {
        struct context contexts[FRAMES];
        uint64_t word;
        unsigned char floating_point[LARGEST_STATE + FLOATING_POINT_ALIGNMENT];
    } written;
    struct user_regs_struct registers = home->registers;
    uint32_t size = 0;
    enum heal state = read_floating_point(tid, written.floating_point, &size);
    if (state != HEAL_READY) return state;
    if (has_shadow_stack(pid, tid)) return HEAL_NEVER;
    restart_call(tid, &registers);
    const uint64_t place =
        (registers.rsp - RED_ZONE - size) & ~(uint64_t)(FLOATING_POINT_ALIGNMENT - 1);
    const uint64_t base = place - sizeof written.contexts - sizeof written.word;
    if (!has_room(&registers, base - RED_ZONE)) return HEAL_NO_ROOM;

    for (int frame = 0; frame < FRAMES; frame++)
        healing->frames[frame] = base + (uint64_t)frame * sizeof(struct context);
    healing->cloned_pid = healing->frames[REAP] + offsetof(struct context, rdi);
    healing->word = base + sizeof written.contexts;
    struct context *contexts = written.contexts;
    contexts[LEAVE] = call_context(healing, SYS_exit_group, 0, 0, 0, HOME);
    contexts[COPY] =
        call_context(healing, SYS_clone, CLONE_FILES, healing->frames[LEAVE], 0, LEAVE);
    contexts[CLOSE] =
        call_context(healing, SYS_close_range, 0, UINT_MAX, UNSHARE, through_middle ? COPY : LEAVE);
    contexts[REAP] = call_context(healing, SYS_wait4, NO_SUCH_PID, 0, (uint64_t)__WALL, HOME);
    contexts[HOME] = home_context(healing, &registers, mask, place);
    written.word = 0;
    const bool done =
        write_memory(tid, base, contexts, sizeof written.contexts + sizeof written.word) &&
        write_memory(tid, place, written.floating_point, size);
    /* Not written: pages that guard the end of the stack are a part of it in newer C libraries. */
    return done ? HEAL_READY : errno == ESRCH ? HEAL_FAILED : HEAL_NO_ROOM;
}

void arch_enter_frame(struct arch_state *state, const struct healing *healing, enum frame frame) {
    struct user_regs_struct *registers = &state->registers;
    registers->rip = healing->gadgets.restore;
    registers->rsp = healing->frames[frame] + sizeof(uint64_t); /* behind the return address */
    registers->orig_rax = (unsigned long long)NO_CALL;
    registers->eflags = INTERRUPTS_ONLY;
}

void arch_call_then(struct arch_state *state, const struct healing *healing, long number,
                    const uint64_t arguments[CALL_ARGUMENTS], enum frame then) {
    arch_prepare_call(state, healing->gadgets.call, number, arguments);
    state->registers.rsp = healing->frames[then];
    state->registers.eflags = INTERRUPTS_ONLY;
}
