#!/usr/bin/env bash
# Builds the wheels into target/wheels/: of `quanci` (the program and the package), and with `train` also of `quanci-train`.
#
#   python/build.sh          quanci
#   python/build.sh train    quanci and quanci-train; needs libtorch (trainer/setup-libtorch.sh)
#
# PYTHON names a Python with maturin; by default one is made in .venv-maturin. With ziglang and cargo-zigbuild there, as pip
# installs them, the wheel of quanci is for glibc 2.17 and later (manylinux2014); QUANCI_NATIVE=1 builds for this system's.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "python/build.sh: $*" >&2; exit 1; }
case ${1:-} in "" | train) ;; *) fail "unknown argument $1: nothing, or train" ;; esac
command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"

tools=(maturin==1.16.0 ziglang==0.15.2 cargo-zigbuild==0.20.1)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$PWD/.venv-maturin/bin/python
    if [ "$(cat .venv-maturin/installed.txt 2>/dev/null)" != "${tools[*]}" ]; then
        python3 -m venv .venv-maturin || fail "cannot make .venv-maturin: install Python's venv module"
        "$PYTHON" -m pip install --quiet --disable-pip-version-check "${tools[@]}" || fail "pip could not install ${tools[*]}"
        echo "${tools[*]}" >.venv-maturin/installed.txt
    fi
fi
PATH=$(dirname "$PYTHON"):$PATH
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/wheels
machine=$(uname -m)
triple=$machine-unknown-linux-gnu

# One call for both, so that what they share is built once.
cd python/quanci
mkdir -p quanci.data/scripts
cp ../../LICENSE .
trap 'rm -rf "$OLDPWD/python/quanci/quanci.data" "$OLDPWD/python/quanci/LICENSE"' EXIT
if [ -z "${QUANCI_NATIVE:-}" ] && command -v cargo-zigbuild >/dev/null; then
    cargo-zigbuild zigbuild --profile dist --locked --target "$triple.2.17" -p quanci-python -p quanci-pipeline
    cp "$target/$triple/dist/quanci" quanci.data/scripts/
    maturin build --profile dist --locked --zig --target "$triple" --compatibility manylinux2014 --out "$out"
else
    cargo build --profile dist --locked -p quanci-python -p quanci-pipeline
    cp "$target/dist/quanci" quanci.data/scripts/
    maturin build --profile dist --locked --out "$out"
fi
