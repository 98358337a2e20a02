#!/usr/bin/env bash
# Real Chinese text becomes a WordPiece vocabulary and whole-word-masked shards: the README's first command.
# Needs a Rust toolchain (https://rustup.rs) and a C compiler. Run it again: what is done is not done twice.
set -euo pipefail
cd "$(dirname "$0")"

need() {
    command -v "$1" >/dev/null || { echo "quickstart: $1 is missing: $2" >&2; exit 3; }
}
need cargo "install Rust from https://rustup.rs"
need cc "install a C compiler, such as Debian's package build-essential"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

run cargo build --release --locked --package quanci-pipeline
quanci=${CARGO_TARGET_DIR:-target}/release/quanci
run "$quanci" vocab configs/vocab-quickstart.toml
run "$quanci" prepare configs/prepare-quickstart.toml
run "$quanci" verify out/quickstart/shards
run "$quanci" stats out/quickstart/shards
run "$quanci" inspect out/quickstart/shards --rows 3 --seed 1
printf '\nThe shards are in out/quickstart/shards. Next: quanci init FOLDER writes settings for your own text.\n'
