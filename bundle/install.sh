#!/usr/bin/env bash
# Installs npu-tune into a virtual environment of its own. Needs no network and changes nothing else.
#
#     ./install.sh [FOLDER] [INTERPRETER]     FOLDER: ~/npu-tune; INTERPRETER: python@PYTHON@
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$HOME/npu-tune}
interpreter=${2:-python@PYTHON@}

fail() { echo "install.sh: $1" >&2; exit 1; }

[ "$(uname -m)" = "@ARCH@" ] ||
    fail "this bundle is for @ARCH@, here is $(uname -m): make bundle ARCH=$(uname -m)"
command -v "$interpreter" >/dev/null ||
    fail "there is no $interpreter: name one, ./install.sh $folder /path/to/python@PYTHON@"
version=$("$interpreter" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = "@PYTHON@" ] ||
    fail "this bundle is for Python @PYTHON@, $interpreter is $version: make bundle PYTHON=$version"
[ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] ||
    fail "$folder is not empty: remove it, or name another folder"

# pip comes from the bundle: many images have a Python without ensurepip.
"$interpreter" -m venv --without-pip "$folder"
"$folder/bin/python" "$(echo "$here"/wheels/pip-*.whl)/pip" install --quiet \
    --disable-pip-version-check --no-index --find-links "$here/wheels" npu-tune
"$folder/bin/npu-tune" --version
cat <<END
installed: $folder/bin/npu-tune
next:      $folder/bin/npu-tune --model mobilenet_v2 --python /path/to/the/python/that/has/torch
END
