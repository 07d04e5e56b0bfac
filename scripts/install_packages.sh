#!/usr/bin/env bash
# Installs packages as `pip install` does, by uv: that takes a tenth of pip's time. Where uv cannot, pip does it: of
# pip's own settings (certificates, folders with wheels) uv reads none, and is told of the index only.
#
#     scripts/install_packages.sh PYTHON ARGUMENT...
#
# PYTHON is whom they are for; the arguments are those of `pip install` that uv has as well. No byte code is written.
set -euo pipefail

target="${1:?usage: install_packages.sh PYTHON ARGUMENT...}"
shift
python="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/python"
pip=("$python" -m pip --quiet --quiet --disable-pip-version-check)

index="${PIP_INDEX_URL:-$("${pip[@]}" config get global.index-url 2>/dev/null || true)}"
[[ -z $index ]] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

# Copies: a file that two environments share would be changed in both.
if "$python" -m uv --version >/dev/null 2>&1 || "${pip[@]}" install --no-compile uv 2>/dev/null; then
    "$python" -m uv --quiet pip install --link-mode copy --no-compile --python "$target" "$@" 2>/dev/null && exit
fi
exec "${pip[@]}" --python "$target" install --no-compile "$@"
