#!/usr/bin/env bash
# quanci-train beside PyTorch and transformers, live: logits both ways, and speed. In a virtual environment of its own
# (.venv-torch, made once: 2.5 GB, for PyTorch's CUDA libraries come with it).
#   tests/python/compare.sh            logits and features both ways
#   tests/python/compare.sh bench      steps beside Hugging Face's BertForPreTraining on the same data
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
if [ ! -e .venv-torch/.done ]; then
    "$python" -m venv .venv-torch
    .venv-torch/bin/python -m pip install --quiet torch==2.11.0 transformers==5.23.0 safetensors numpy pyarrow
    touch .venv-torch/.done
fi
bash trainer/setup-libtorch.sh
cargo build --release --quiet --workspace
export QUANCI_TRAIN=${CARGO_TARGET_DIR:-target}/release/quanci-train
[ -e out/quickstart/run/model/config.json ] || bash quickstart.sh
case ${1:-logits} in
    logits) exec .venv-torch/bin/python tests/python/trained_model.py ;;
    bench) shift; exec .venv-torch/bin/python tests/python/bench_train.py "$@" ;;
    *) echo "compare.sh: logits or bench" >&2; exit 2 ;;
esac
