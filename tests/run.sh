#!/usr/bin/env bash
# Every check: the README's second command, and CI's only one. Needs a Rust toolchain and a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 3; }
command -v cc >/dev/null || { echo "cc is missing: install a C compiler, such as Debian's build-essential" >&2; exit 3; }

say() { printf '\n== %s\n' "$*"; }
say format
cargo fmt --all --check
say clippy
cargo clippy --release --locked --workspace --all-targets -- -D warnings
say tests
cargo test --release --locked --workspace
say documentation
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps
say "all checks passed"
