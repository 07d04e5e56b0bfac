/* aarch64: calls are made without frames to fall back on (see heal.h). A tracer that is killed in
 * the middle of one leaves the thread in it. */
#include "freeze/arch/heal.h"

static const unsigned char supervisor_call[] = {0x01, 0x00, 0x00, 0xd4};
const struct code_pattern arch_restore_code = {supervisor_call, sizeof supervisor_call, 4};
const struct code_pattern arch_call_code = {supervisor_call, sizeof supervisor_call, 4};

/* A clone is not meant to run: its first use of a stack there ends it. */
enum { NO_STACK = 16 };

bool arch_heals(void) { return false; }

enum heal arch_write_frames(pid_t pid, pid_t tid, const struct arch_state *home, uint64_t mask,
                            bool through_middle, struct healing *healing) {
    (void)pid;
    (void)tid;
    (void)home;
    (void)mask;
    (void)through_middle;
    for (int frame = 0; frame < FRAMES; frame++) healing->frames[frame] = NO_STACK;
    healing->cloned_pid = healing->word = 0;
    return HEAL_READY;
}

void arch_enter_frame(struct arch_state *state, const struct healing *healing, enum frame frame) {
    (void)state;
    (void)healing;
    (void)frame;
}

void arch_call_then(struct arch_state *state, const struct healing *healing, long number,
                    const uint64_t arguments[CALL_ARGUMENTS], enum frame then) {
    (void)then;
    arch_prepare_call(state, healing->gadgets.call, number, arguments);
}
