#!/usr/bin/env bash
# Every check: the README's second command, and CI's only one. Needs a Rust toolchain, a C and a C++ compiler, and Python 3
# with pip, which fetches libtorch for the trainer once (550 MB), and Ray for the tests of its engine (75 MB) if it can.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 3; }
command -v cc >/dev/null || { echo "cc is missing: install a C compiler, such as Debian's build-essential" >&2; exit 3; }

say() { printf '\n== %s\n' "$*"; }
say libtorch
bash trainer/setup-libtorch.sh
all=(--release --locked --workspace --features integration-tests/trainer)
say format
cargo fmt --all --check
say clippy
cargo clippy "${all[@]}" --all-targets -- -D warnings
say Ray
ray=ray==2.60.0
if [ "$(cat .venv-ray/installed.txt 2>/dev/null)" != "$ray" ]; then
    if python3 -m venv .venv-ray && .venv-ray/bin/python -m pip install --quiet --disable-pip-version-check "$ray"; then
        echo "$ray" >.venv-ray/installed.txt
    else
        echo "pip could not install $ray into .venv-ray: the tests of --engine ray are skipped" >&2
        rm -rf .venv-ray
    fi
fi
export QUANCI_RAY_PYTHON=$PWD/.venv-ray/bin/python
say tests
cargo test "${all[@]}"
say documentation
RUSTDOCFLAGS="-D warnings" cargo doc "${all[@]}" --no-deps
say "all checks passed"
