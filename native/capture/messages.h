/* What is said on standard error when this program is used by itself, or by heapgraph. */
#ifndef HEAPGRAPH_CAPTURE_MESSAGES_H
#define HEAPGRAPH_CAPTURE_MESSAGES_H

#include "capture/target/facts.h"

enum { EXIT_USAGE = 2, EXIT_TARGET = 3 };

/* One line for a program, or three for people; the exit code. */
int report_failure(pid_t pid, const struct failure *failure, bool for_program);

void report_success(const struct facts *facts, uint64_t stored, uint64_t written, bool is_clean,
                    bool for_program);

int explain_usage(void);
int refuse_terminal(bool for_program);

#endif
