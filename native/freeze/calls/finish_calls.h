/* Writes that a stop cut short: their rest is made by the thread itself, as if nothing had been.
 *
 * write() and its kind return what they have moved so far when a signal or a stop interrupts them.
 * A program that does not expect that loses the rest. So the thread is made to ask for the rest,
 * and gets the sum as the result. It is not stopped meanwhile, only traced. */
#ifndef HEAPGRAPH_FREEZE_FINISH_CALLS_H
#define HEAPGRAPH_FREEZE_FINISH_CALLS_H

#include "freeze/arch/arch.h"

#include <stdbool.h>

/* True when the thread, which stands, was in the middle of such a call and goes on with it: it is
 * detached by settle_calls when the call returns. */
bool finish_call(pid_t tid, const struct arch_state *stopped);

/* See which have returned; how many are still on their way. `give_up`: the sum of what was moved
 * becomes the result of the others now. */
int settle_calls(bool give_up);

#endif
