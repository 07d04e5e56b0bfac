/* x86_64: the machine code that runs traverse functions. */
#include "freeze/arch/x86_64/registers.h"

/* rbx: the control block, kept by the functions that are called; the offsets are those of
 * struct stub_control. The second half is the visit function that they are given. */
__asm__(".pushsection .rodata\n"
        ".globl arch_stub, arch_stub_call, arch_stub_end\n"
        "arch_stub:\n"
        "    mov %rdi, %rbx\n"
        "1:  mov 0(%rbx), %rax\n" /* next job */
        "    cmp 8(%rbx), %rax\n" /* all done */
        "    jae 2f\n"
        "    shl $4, %rax\n"
        "    add 16(%rbx), %rax\n"
        "    mov 0(%rax), %rdi\n" /* traverse(object, visit, control) */
        "    lea 3f(%rip), %rsi\n"
        "    mov %rbx, %rdx\n"
        "    call *8(%rax)\n"
        "    mov 0(%rbx), %rax\n"
        "    mov 24(%rbx), %rcx\n"
        "    mov 32(%rbx), %rdx\n"
        "    mov %rdx, (%rcx,%rax,8)\n" /* where this object's visits end */
        "    incq 0(%rbx)\n"
        "    jmp 1b\n"
        "2:  int3\n"
        "    jmp 2b\n"
        "3:  mov 32(%rsi), %rax\n"
        "    mov %rdi, (%rax)\n"
        "    add $8, %rax\n"
        "    mov %rax, 32(%rsi)\n"
        "    cmp 40(%rsi), %rax\n"
        "    jb 4f\n"
        "    int3\n" /* the buffer is full: it is emptied, and we go on */
        "4:  xor %eax, %eax\n"
        "    ret\n"
        "arch_stub_call:\n"
        "    syscall\n"
        "    int3\n"
        "arch_stub_end:\n"
        ".popsection\n");

void arch_prepare_stub(struct arch_state *state, uint64_t code, uint64_t stack_top,
                       uint64_t control) {
    struct user_regs_struct *registers = &state->registers;
    registers->rip = code;
    registers->rsp = stack_top;
    registers->rbp = 0;
    registers->rdi = control;
    registers->orig_rax = (unsigned long long)NO_CALL;
    registers->eflags = INTERRUPTS_ONLY; /* the direction flag may be set in the middle of a copy */
}

void arch_pass_breakpoint(struct arch_state *state) {
    (void)state; /* the program counter is behind it */
}
