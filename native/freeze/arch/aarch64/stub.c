/* aarch64: the machine code that runs traverse functions. */
#include "freeze/arch/arch.h"

/* x19: the control block; as in x86_64/stub.c. The page is not a guarded one (PROT_BTI), so the
 * visit function needs no landing pad. */
__asm__(".pushsection .rodata\n"
        ".balign 4\n"
        ".globl arch_stub, arch_stub_call, arch_stub_end\n"
        "arch_stub:\n"
        "    mov x19, x0\n"
        "1:  ldp x9, x10, [x19]\n"
        "    cmp x9, x10\n"
        "    b.hs 2f\n"
        "    ldr x11, [x19, #16]\n"
        "    add x11, x11, x9, lsl #4\n"
        "    ldp x0, x12, [x11]\n"
        "    adr x1, 3f\n"
        "    mov x2, x19\n"
        "    blr x12\n"
        "    ldr x9, [x19]\n"
        "    ldp x10, x11, [x19, #24]\n"
        "    str x11, [x10, x9, lsl #3]\n"
        "    add x9, x9, #1\n"
        "    str x9, [x19]\n"
        "    b 1b\n"
        "2:  brk #0\n"
        "    b 2b\n"
        "3:  ldp x9, x10, [x1, #32]\n"
        "    str x0, [x9], #8\n"
        "    str x9, [x1, #32]\n"
        "    cmp x9, x10\n"
        "    b.lo 4f\n"
        "    brk #0\n"
        "4:  mov x0, #0\n"
        "    ret\n"
        "arch_stub_call:\n"
        "    svc #0\n"
        "    brk #0\n"
        "arch_stub_end:\n"
        ".popsection\n");

void arch_prepare_stub(struct arch_state *state, uint64_t code, uint64_t stack_top,
                       uint64_t control) {
    state->system_call = -1;
    state->registers.pc = code;
    state->registers.sp = stack_top;
    state->registers.pstate = 0;
    state->registers.regs[0] = control;
    state->registers.regs[29] = 0; /* the end of the chain of frames */
}

void arch_pass_breakpoint(struct arch_state *state) { state->registers.pc += 4; }
