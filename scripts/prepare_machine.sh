#!/usr/bin/env bash
# Makes a Debian machine ready to build and run heapgraph, or says what to type.
#
#     scripts/prepare_machine.sh PYTHON
#
# Python >= 3.11 must be there; what else is missing is one Debian package each, which root gets installed
# and anybody else is told about. CMake and Ninja are not asked for: pip brings them as build requirements.
set -euo pipefail

python="${1:?usage: prepare_machine.sh PYTHON}"
lists_are_fresh=no

fail() {
    printf 'prepare_machine: %s\n' "$@" >&2
    exit 1
}

install_package() {
    local package="$1"
    if [[ $lists_are_fresh == no ]]; then
        apt-get update -qq
        lists_are_fresh=yes
    fi
    echo "installing Debian's $package" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

# need WHAT PACKAGE TEST...: run TEST; when it fails, install PACKAGE (root) or say how, and test again.
need() {
    local what="$1" package="$2"
    shift 2
    if "$@" >/dev/null 2>&1; then return; fi
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        fail "$what is missing" "as root: apt-get install $package"
    fi
    install_package "$package" || fail "$what is missing and Debian's $package could not be installed"
    "$@" >/dev/null 2>&1 || fail "$what is still missing after installing Debian's $package"
}

command -v "$python" >/dev/null || fail "no '$python' on this machine" "as root: apt-get install python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail \
    "$("$python" --version) is too old, heapgraph itself runs on Python >= 3.11 (it looks into 3.8 - 3.15)" \
    "name a newer one: make PYTHON=python3.12 ..."

need "the module venv of $python" python3-venv "$python" -c 'import ensurepip, venv'
need "a C compiler (gcc)" gcc cc --version
need "a C++ compiler (g++)" g++ c++ --version
need "Graphviz (the program dot)" graphviz dot -V

# Without it captures are packed too, but are as large as the memory.
has_static_zstd() { printf 'int main(void) { return 0; }' | cc -xc - -o /dev/null -l:libzstd.a; }
if ! has_static_zstd 2>/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    install_package libzstd-dev || echo "libzstd-dev could not be installed: captures will be larger" >&2
fi
