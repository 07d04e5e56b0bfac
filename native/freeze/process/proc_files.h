/* What /proc tells of a process and its threads; nothing here touches them. */
#ifndef HEAPGRAPH_FREEZE_PROC_FILES_H
#define HEAPGRAPH_FREEZE_PROC_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The file /proc/PID/task/TID/NAME as text, cut to `size`; false when there is none. */
bool read_task_file(pid_t pid, pid_t tid, const char *name, char *text, size_t size);

/* The status of a thread without the line of its groups, which may be 700 kB long. False when there
 * is none, or when it is not whole: what is missing in it is not there. */
bool read_status(pid_t pid, pid_t tid, char *text, size_t size);

/* The same of an open file; it is read from its begin. */
bool read_open_status(int file, char *text, size_t size);

/* Enough for such a status. */
enum { TASK_STATUS_SIZE = 8192 };

/* The number behind NAME: in such a text; `missing` when the line is not there. */
long number_after(const char *text, const char *name, long missing);

/* The letter of the state of a thread: R, S, D, T, t, Z, X; 0 when it is gone. */
char thread_state(pid_t pid, pid_t tid);

/* How often the thread left the processor, by itself or not; -1 when it is gone. */
int64_t thread_switches(pid_t pid, pid_t tid);

/* Calls `visit` for each thread until it returns false. False when there is no such process. */
bool each_thread(pid_t pid, bool (*visit)(pid_t tid, void *context), void *context);

/* Note the writable mappings of a process and its main thread's stack, so that what follows takes
 * no time of a thread that stands. */
void note_mappings(pid_t pid);

/* The noted mapping with this address, false when there is none. */
bool writable_mapping_of(uint64_t address, uint64_t *start, uint64_t *end);
bool is_in_main_stack(uint64_t address);

#endif
