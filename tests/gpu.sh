#!/usr/bin/env bash
# Everything that wants an NVIDIA GPU, in one command of under nine minutes: numbers first, then speed beside Hugging Face.
# Needs no compiler and no network: the programs and the data are made elsewhere and carried.
#
#   bash tests/gpu.sh [OUT]                 on a machine with a GPU and PyTorch 2.11 in its Python; writes OUT/gpu.json, OUT/gpu.md
#   bash tests/gpu.sh --prepare [FOLDER]    beforehand, on a machine that builds: FOLDER/quanci-train and FOLDER/data
#   bash tests/gpu.sh --cpu [OUT]           the same parts at tiny size on a CPU: a test of the kit itself
#
# QUANCI_GPU_KIT: the folder that --prepare made (out/gpu-kit). TORCH_SITE_PACKAGES: where PyTorch lies, if not in python3's.
# PYTHON: the Python that holds PyTorch and transformers. SECONDS_AT_MOST: when to begin no further part (480).
set -euo pipefail
cd "$(dirname "$0")/.."

kit=${QUANCI_GPU_KIT:-out/gpu-kit}

prepare() {
    kit=${1:-$kit}
    mkdir -p "$kit"
    local target=${CARGO_TARGET_DIR:-target}
    cargo build --release --locked -p quanci-pipeline -p quanci-trainer
    cp "$target/release/quanci-train" "$kit/quanci-train"
    strip "$kit/quanci-train"
    # What opens NCCL; the newest, if several builds have left one.
    local plugin
    plugin=$(ls -t "$target"/release/build/quanci-torch-ext-*/out/libquanci_nccl.so 2>/dev/null | head -n 1)
    [ -z "$plugin" ] || cp "$plugin" "$kit/"
    for length in 128 512; do
        "$target/release/quanci" prepare tests/gpu/prepare.toml --out "$kit/data/$length" \
            --set "instances.max_seq_len=$length" --set "masking.max_predictions=$((length * 20 / 128))"
    done
    echo "gpu kit: $kit ($(du -sh "$kit" | cut -f1))"
}

case ${1:-} in
--prepare)
    prepare "${2:-}"
    ;;
--cpu)
    exec "${PYTHON:-python3}" tests/gpu/kit.py --device cpu --kit "$kit" --out "${2:-out/gpu}"
    ;;
*)
    exec "${PYTHON:-python3}" tests/gpu/kit.py --device cuda --kit "$kit" --out "${1:-out/gpu}"
    ;;
esac
