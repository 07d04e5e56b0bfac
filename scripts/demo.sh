#!/usr/bin/env bash
# Finds the leak of a program while it runs, and shows each command as one would type it.
#
#     scripts/demo.sh BIN_FOLDER OUTPUT_FOLDER [PYTHON]
#
# BIN_FOLDER has the heapgraph and the python to use; PYTHON runs the leaking program instead of that one.
set -euo pipefail

bin="$(cd "${1:?usage: demo.sh BIN_FOLDER OUTPUT_FOLDER [PYTHON]}" && pwd)"
output="${2:?usage: demo.sh BIN_FOLDER OUTPUT_FOLDER [PYTHON]}"
python="${3:-$bin/python}"
program="$(cd "$(dirname "$0")/.." && pwd)/fixtures/leaks/http_response.py"
snapshot="$output/http_response.heapgraph"
leaked="__main__.MONITOR.unfinished[0].response.fp.raw._sock"
mkdir -p "$output"

export PATH="$bin:$PATH"

show() {
    local word line='$'
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./=:@-]+$ ]] || word="${word@Q}"
        line+=" $word"
    done
    printf '\n%s\n' "$line"
    "$@"
}

# The program ends by itself when its input closes, also when this script is killed.
printf '$ python %s &\n' "${program#"$PWD"/}"
coproc LEAK { exec "$python" "$program"; }
leak_pid=$LEAK_PID
# Closing a coprocess unsets its variables, so the descriptors are kept under own numbers.
exec {leak_output}<&"${LEAK[0]}" {leak_input}>&"${LEAK[1]}"
trap 'kill "$leak_pid" 2>/dev/null || true' EXIT
IFS= read -r -t 60 -u "$leak_output" ready || { echo "demo: the leaking program did not start" >&2; exit 1; }
echo "$ready"

show heapgraph dump "$leak_pid" -o "$snapshot" --force
kill -0 "$leak_pid" || { echo "demo: the target did not survive the dump" >&2; exit 1; }
show heapgraph dominators "$snapshot" --limit 5
show heapgraph path "$snapshot" "$leaked"
show heapgraph svg "$snapshot" "$leaked" -o "$output/chain.svg" --force

show kill "$leak_pid"
wait "$leak_pid" || true
trap - EXIT
exec {leak_input}>&-
