#!/bin/sh
# Compiles the aarch64 builds of the helpers with every warning as an error. It is compiled, not yet
# run: there is no such machine among those it is tested on.
set -eu
compiler=${AARCH64_CC:-aarch64-linux-gnu-gcc}
if ! command -v "$compiler" >/dev/null; then
    echo "no $compiler here: install gcc-aarch64-linux-gnu, or set AARCH64_CC" >&2
    exit 2
fi
cd "$(dirname "$0")"
"$compiler" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -o /dev/null \
    main.c proc_files.c guard.c stillness.c threads.c finish_calls.c pause.c gadgets.c filters.c inject.c healed_calls.c \
    clone_freeze.c group_watch.c leftovers.c traverse.c memory_calls.c \
    twin.c twin_calls.c twin_child.c twin_filter.c twin_table.c arch_aarch64.c heal_aarch64.c
cd ../capture
"$compiler" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o /dev/null \
    main.c messages.c facts.c groups.c lines.c maps.c pages.c plan.c notes.c own_notes.c core.c sink.c output.c pack_blocks.c \
    ../freeze/proc_files.c ../freeze/guard.c ../freeze/stillness.c ../freeze/threads.c ../freeze/finish_calls.c ../freeze/pause.c \
    ../freeze/gadgets.c ../freeze/filters.c ../freeze/inject.c ../freeze/healed_calls.c ../freeze/clone_freeze.c \
    ../freeze/group_watch.c ../freeze/leftovers.c ../freeze/arch_aarch64.c ../freeze/heal_aarch64.c -lpthread
echo "heapgraph_freeze and heapgraph_capture compile for aarch64"
