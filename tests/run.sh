#!/usr/bin/env bash
# Every check: the README's second command, and CI's only one. Needs a Rust toolchain, a C and a C++ compiler, and Python 3
# with pip, which fetches libtorch for the trainer once (550 MB), and if it can, Ray for the tests of its engine (75 MB) and
# PyTorch and what goes with it for the Python package (3 GB).
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 3; }
command -v cc >/dev/null || { echo "cc is missing: install a C compiler, such as Debian's build-essential" >&2; exit 3; }

say() { printf '\n== %s\n' "$*"; }
# Where a disk is full, a linker ends with "Bus error", and pip with half an environment.
disk=17
there=$({ du -skc target .libtorch .venv-* 2>/dev/null || true; } | tail -1 | cut -f1) # in a new clone none is there
free=$(df -Pk . | awk 'NR == 2 { print $4 }')
if [ $(((there + free) >> 20)) -lt $disk ]; then
    echo "all checks take $disk GB of disk, and $((free >> 20)) GB are free: they may fail for want of room" >&2
fi
say libtorch
bash trainer/setup-libtorch.sh
all=(--release --locked --workspace --features integration-tests/trainer)
say format
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
say dependencies
if command -v cargo-deny >/dev/null; then
    # Advisories need the network; CI checks them too.
    cargo deny --offline --log-level error check licenses bans sources
else
    echo "cargo-deny is not installed: licenses and sources of dependencies are not checked (cargo install cargo-deny)" >&2
fi
if command -v typos >/dev/null; then
    typos
else
    echo "typos is not installed: spelling is not checked (cargo install typos-cli)" >&2
fi
say clippy
cargo clippy "${all[@]}" --all-targets -- -D warnings
say servers
# What the tests of clusters and object stores start, Ray and moto's S3 server, and what reads cards and event files, each in
# an environment made once.
environment() {
    local name=$1
    shift
    [ "$(cat ".venv-$name/installed.txt" 2>/dev/null)" = "$*" ] && return
    if python3 -m venv ".venv-$name" && ".venv-$name/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; then
        echo "$*" >".venv-$name/installed.txt"
    else
        echo "pip could not install $* into .venv-$name: the tests that need it are skipped" >&2
        rm -rf ".venv-$name"
    fi
}
environment ray ray==2.60.0
environment s3 'moto[server,s3]==5.2.5'
environment hub huggingface_hub==2.4.0 tensorboard==2.21.0
export QUANCI_RAY_PYTHON=$PWD/.venv-ray/bin/python QUANCI_MOTO=$PWD/.venv-s3/bin/moto_server QUANCI_HUB_PYTHON=$PWD/.venv-hub/bin/python
say tests
cargo test "${all[@]}"
say Python
# The module and the programs are there but for linking: their crates were built for the tests.
cargo build "${all[@]}"
bash python/test.sh --in-place
say documentation
RUSTDOCFLAGS="-D warnings" cargo doc "${all[@]}" --no-deps
say "all checks passed"
