#!/bin/sh
# Compiles the aarch64 builds of the helpers with every warning as an error. It is compiled, not yet
# run: there is no such machine among those it is tested on.
set -eu
compiler=${AARCH64_CC:-aarch64-linux-gnu-gcc}
if ! command -v "$compiler" >/dev/null; then
    echo "no $compiler here: install gcc-aarch64-linux-gnu, or set AARCH64_CC" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
flags="-std=c11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra -Werror -o /dev/null"
freezing="$(echo freeze/process/*.c freeze/calls/*.c freeze/hold/*.c freeze/arch/aarch64/*.c)"
# shellcheck disable=SC2086 # lists of words
"$compiler" $flags freeze/main.c freeze/twin/*.c $freezing -lpthread
# shellcheck disable=SC2086
"$compiler" $flags -static capture/main.c capture/messages.c capture/target/*.c \
    $(ls capture/output/*.c | grep -v pack_zstd) $freezing -lpthread
echo "heapgraph_freeze and heapgraph_capture compile for aarch64"
