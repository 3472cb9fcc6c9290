#!/usr/bin/env bash
# Makes dist/npu-tune-VERSION-ARCH-pyPYTHON.tar.gz: every wheel that the tool needs, and install.sh.
# torch is not among them: the tool uses what the target machine has.
#
#     bundle/make.sh ARCH PYTHON          ARCH: aarch64 or x86_64; PYTHON: 3.10 to 3.13
set -euo pipefail
cd "$(dirname "$0")/.."
arch=$1 python=$2

case $arch in aarch64 | x86_64) ;; *) echo "ARCH=$arch: aarch64 or x86_64" >&2; exit 2 ;; esac
case $python in 3.1[0-3]) ;; *) echo "PYTHON=$python: 3.10, 3.11, 3.12 or 3.13" >&2; exit 2 ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip="$work/venv/bin/pip --quiet --disable-pip-version-check"
$pip wheel --no-deps --wheel-dir "$work" .
tool=$(basename "$work"/npu_tune-*.whl)
name=npu-tune-$(cut -d- -f2 <<<"$tool")-$arch-py$python
mkdir -p "$work/$name/wheels" dist

# Tags of wheels that run on glibc 2.17 to 2.28, which openEuler 20.03 and Ubuntu 18.10 have.
platforms=()
for glibc in 17 24 26 27 28; do platforms+=(--platform "manylinux_2_${glibc}_$arch"); done
# pip asks the markers of its own Python, not of the target: alembic needs tomli before 3.11.
also=()
[ "$python" != 3.10 ] || also=(tomli)
$pip download --only-binary=:all: --implementation cp --python-version "$python" \
    --platform "manylinux2014_$arch" "${platforms[@]}" \
    --dest "$work/$name/wheels" "$work/$tool" pip "${also[@]}"

sed "s/@ARCH@/$arch/; s/@PYTHON@/$python/" bundle/install.sh >"$work/$name/install.sh"
chmod +x "$work/$name/install.sh"
tar -C "$work" -czf "dist/$name.tar.gz" "$name"
echo "dist/$name.tar.gz: $(du -h "dist/$name.tar.gz" | cut -f1)"
