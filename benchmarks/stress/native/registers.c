/* Fills every register and the red zone with a pattern, spins for a while without a system call or
 * a use of the stack, and tells what has changed. x86_64; vectors as wide as the processor has. */
#include <stdint.h>
#include <string.h>

#define HIDDEN __attribute__((visibility("hidden")))

struct image {
    uint64_t general[15]; /* all but the stack pointer */
    uint64_t red_zone[16];
    uint64_t masks[8];
    uint64_t mxcsr, x87;
    unsigned char vectors[32][64];
};

HIDDEN struct image wanted, found;
HIDDEN uint64_t countdown, kept_mxcsr, kept_x87;
void spin_512(void);
void spin_256(void);
void spin_128(void);

/* The offsets are those of struct image. */
__asm__(
    ".macro general op, image\n"
    "  \\op 0, rax, \\image\n \\op 1, rbx, \\image\n \\op 2, rcx, \\image\n"
    "  \\op 3, rdx, \\image\n \\op 4, rsi, \\image\n \\op 5, rdi, \\image\n"
    "  \\op 6, rbp, \\image\n \\op 7, r8, \\image\n \\op 8, r9, \\image\n"
    "  \\op 9, r10, \\image\n \\op 10, r11, \\image\n \\op 11, r12, \\image\n"
    "  \\op 12, r13, \\image\n \\op 13, r14, \\image\n \\op 14, r15, \\image\n"
    ".endm\n"
    ".macro take index, register, image\n  mov \\image+8*\\index(%rip), %\\register\n.endm\n"
    ".macro give index, register, image\n  mov %\\register, \\image+8*\\index(%rip)\n.endm\n"
    ".macro spin name, move, vector, count, has_masks\n"
    ".globl \\name\n.hidden \\name\n\\name:\n"
    "  push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "  stmxcsr kept_mxcsr(%rip)\n fnstcw kept_x87(%rip)\n"
    "  ldmxcsr wanted+312(%rip)\n fldcw wanted+320(%rip)\n"
    "  .set i, 0\n"
    "  .irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,"
    "29,30,31\n"
    "  .if \\number < \\count\n \\move wanted+328+64*\\number(%rip), %\\vector\\number\n .endif\n"
    "  .endr\n"
    "  .if \\has_masks\n"
    "  .irp number, 0,1,2,3,4,5,6,7\n kmovq wanted+248+8*\\number(%rip), %k\\number\n .endr\n"
    "  .endif\n"
    "  .irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "  mov wanted+120+8*\\number(%rip), %rax\n mov %rax, -8-8*\\number(%rsp)\n"
    "  .endr\n"
    "  general take, wanted\n"
    "1: decq countdown(%rip)\n jnz 1b\n"
    "  general give, found\n"
    "  .irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "  mov -8-8*\\number(%rsp), %rax\n mov %rax, found+120+8*\\number(%rip)\n"
    "  .endr\n"
    "  .if \\has_masks\n"
    "  .irp number, 0,1,2,3,4,5,6,7\n kmovq %k\\number, found+248+8*\\number(%rip)\n .endr\n"
    "  .endif\n"
    "  .irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,"
    "29,30,31\n"
    "  .if \\number < \\count\n \\move %\\vector\\number, found+328+64*\\number(%rip)\n .endif\n"
    "  .endr\n"
    "  stmxcsr found+312(%rip)\n fnstcw found+320(%rip)\n"
    "  ldmxcsr kept_mxcsr(%rip)\n fldcw kept_x87(%rip)\n"
    "  pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
    ".endm\n"
    ".text\n"
    "spin spin_512, vmovups, zmm, 32, 1\n"
    "spin spin_256, vmovups, ymm, 16, 0\n"
    "spin spin_128, movups, xmm, 16, 0\n");

enum { GENERAL = 1, RED_ZONE = 2, MASKS = 4, CONTROL = 8, VECTORS = 16 };
enum { ROUND_TO_ZERO_MXCSR = 0x7f80, ROUND_TO_ZERO_X87 = 0x0f7f };

static int width(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw"))
        return 64;
    return __builtin_cpu_supports("avx") ? 32 : 16;
}

/* 0, or a bit for each sort of registers that has changed. */
int registers_check(uint64_t iterations, uint64_t seed)
{
    unsigned char *byte = (unsigned char *)&wanted;
    for (size_t i = 0; i < sizeof wanted; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        byte[i] = (unsigned char)(seed >> 56);
    }
    wanted.mxcsr = ROUND_TO_ZERO_MXCSR;
    wanted.x87 = ROUND_TO_ZERO_X87;
    memset(&found, 0, sizeof found);
    countdown = iterations;
    const int size = width(), count = size == 64 ? 32 : 16;
    (size == 64 ? spin_512 : size == 32 ? spin_256 : spin_128)();
    int changed = 0;
    if (memcmp(found.general, wanted.general, sizeof wanted.general) != 0)
        changed |= GENERAL;
    if (memcmp(found.red_zone, wanted.red_zone, sizeof wanted.red_zone) != 0)
        changed |= RED_ZONE;
    if (size == 64 && memcmp(found.masks, wanted.masks, sizeof wanted.masks) != 0)
        changed |= MASKS;
    if ((uint32_t)found.mxcsr != (uint32_t)wanted.mxcsr || (uint16_t)found.x87 != wanted.x87)
        changed |= CONTROL;
    for (int i = 0; i < count; i++)
        if (memcmp(found.vectors[i], wanted.vectors[i], (size_t)size) != 0)
            changed |= VECTORS;
    return changed;
}

int registers_width(void)
{
    return width();
}
