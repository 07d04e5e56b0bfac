/* Numbers of x86_64; see freeze/arch/machine.h. */
#ifndef HEAPGRAPH_FREEZE_ARCH_X86_64_MACHINE_H
#define HEAPGRAPH_FREEZE_ARCH_X86_64_MACHINE_H

#include <elf.h>
#include <linux/audit.h>
#include <sys/syscall.h>

enum {
    ARCH_CALL_SIZE = 2, /* bytes of the system call instruction */
    ARCH_ELF_MACHINE = EM_X86_64,
    /* struct elf_prstatus (linux/elfcore.h): its size, and where rsp is among its registers. */
    ARCH_STATUS_SIZE = 336,
    ARCH_STATUS_STACK_POINTER = 112 + 19 * 8,
};

#define ARCH_AUDIT AUDIT_ARCH_X86_64 /* what seccomp calls it */

#ifndef SYS_rseq
#define SYS_rseq 334
#endif

#endif
