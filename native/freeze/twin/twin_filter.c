#include "freeze/twin/twin_filter.h"

#include "freeze/arch/machine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define HIGH_HALF 4 /* of a number of 64 bits, little-endian */

size_t make_filter(unsigned char *buffer, size_t room, uint64_t address, uint64_t call_place) {
    const uint64_t behind =
        call_place + ARCH_CALL_SIZE; /* what the kernel calls the place of a call */
    const struct sock_filter program[] = {
        LOAD(arch),
        IS(ARCH_AUDIT, 0, 8),
        LOAD(instruction_pointer),
        IS(behind, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, instruction_pointer) + HIGH_HALF),
        IS(behind >> 32, 0, 4),
        LOAD(nr),
        IS(SYS_mmap, 3, 0),
        IS(SYS_munmap, 2, 0),
        IS(SYS_mprotect, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog head = {
        .len = sizeof program / sizeof program[0],
        .filter = (struct sock_filter *)(uintptr_t)(address + sizeof head),
    };
    if (sizeof head + sizeof program > room) return 0;
    memcpy(buffer, &head, sizeof head);
    memcpy(buffer + sizeof head, program, sizeof program);
    return sizeof head + sizeof program;
}
