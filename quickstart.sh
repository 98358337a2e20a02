#!/usr/bin/env bash
# Real Chinese text becomes a WordPiece vocabulary, whole-word-masked shards and a small BERT: the README's first command.
# Needs a Rust toolchain (https://rustup.rs), a C and a C++ compiler, and Python 3 with pip, which fetches libtorch once
# (550 MB). Run it again: what is done is not done twice.
set -euo pipefail
cd "$(dirname "$0")"

need() {
    command -v "$1" >/dev/null || { echo "quickstart: $1 is missing: $2" >&2; exit 3; }
}
need cargo "install Rust from https://rustup.rs"
need cc "install a C compiler, such as Debian's package build-essential"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

run bash trainer/setup-libtorch.sh
run cargo build --release --locked --workspace
quanci=${CARGO_TARGET_DIR:-target}/release/quanci
train=${CARGO_TARGET_DIR:-target}/release/quanci-train
run "$quanci" vocab configs/vocab-quickstart.toml
run "$quanci" prepare configs/prepare-quickstart.toml
run "$quanci" verify out/quickstart/shards
run "$quanci" stats out/quickstart/shards
run "$quanci" inspect out/quickstart/shards --rows 3 --seed 1
run "$quanci" prepare configs/prepare-recall.toml
run "$train" pretrain configs/pretrain-quickstart.toml
run "$train" fill-mask --model out/quickstart/run/model "[MASK]看看手表，居然分秒不差。" \
    "附近的渔民也推迟了收藕的[MASK]间，等鸟群熟悉环境以后再下田。"
printf '\nThe shards are in out/quickstart/shards, the model in out/quickstart/run/model. It recalls some sentences that it\n'
printf 'has read a hundred times; it has not understood Chinese. Next: quanci init FOLDER writes settings for your own text.\n'
