/* Numbers of aarch64; see freeze/arch/machine.h. */
#ifndef HEAPGRAPH_FREEZE_ARCH_AARCH64_MACHINE_H
#define HEAPGRAPH_FREEZE_ARCH_AARCH64_MACHINE_H

#include <elf.h>
#include <linux/audit.h>
#include <sys/syscall.h>

enum {
    ARCH_CALL_SIZE = 4, /* bytes of the system call instruction */
    ARCH_ELF_MACHINE = EM_AARCH64,
    /* struct elf_prstatus (linux/elfcore.h): its size, and where sp is among its registers. */
    ARCH_STATUS_SIZE = 392,
    ARCH_STATUS_STACK_POINTER = 112 + 31 * 8,
};

#define ARCH_AUDIT AUDIT_ARCH_AARCH64 /* what seccomp calls it */

#ifndef SYS_rseq
#define SYS_rseq 293
#endif

#endif
