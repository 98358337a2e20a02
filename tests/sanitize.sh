#!/usr/bin/env bash
# Runs the tests of torch-ext with its C++ under AddressSanitizer and UndefinedBehaviorSanitizer. Needs g++ with their
# runtimes (Debian: in libgcc-dev) and libtorch (trainer/setup-libtorch.sh). libtorch itself is not instrumented.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
sanitizers=address,undefined
# With --target, RUSTFLAGS does not reach build scripts and procedural macros.
export CXXFLAGS="-fsanitize=$sanitizers -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
export RUSTFLAGS="-Clink-arg=-fsanitize=$sanitizers"
# libtorch keeps what it allocates once until the end.
export ASAN_OPTIONS=detect_leaks=0
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitize
cargo test --release --locked --target "$target" -p quanci-torch-ext "$@"
