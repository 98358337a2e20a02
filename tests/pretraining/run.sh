#!/usr/bin/env bash
# The pretraining check: BERT-tiny learns on real text with masks by word and by piece, three seeds of each, and every
# model is scored under both masks. Some 28 minutes on two CPU cores.
#   tests/pretraining/run.sh CORPUS [OUT]     CORPUS: the folder of texts that vocab.toml names; OUT: out/pretraining
set -euo pipefail
cd "$(dirname "$0")/../.."
corpus=$(realpath "${1:?the folder of texts}")
out=${2:-out/pretraining}
seeds=(1 2 3)

bash trainer/setup-libtorch.sh
cargo build --release --locked --workspace
bin=$(realpath "${CARGO_TARGET_DIR:-target}/release")
settings=$PWD/tests/pretraining
mkdir -p "$out"
cd "$out"
cp "$settings"/*.toml "$settings/model.json" .
ln -sfn "$corpus" corpus
"$bin/quanci" vocab vocab.toml
"$bin/quanci" prepare prepare.toml

train() { # one model: seed, unit
    "$bin/quanci-train" pretrain pretrain.toml --threads 1 --set seed="$1" --set masking.unit="$2" --set output="$2-$1" --quiet
    local masks
    for masks in word piece; do
        "$bin/quanci-train" eval --model "$2-$1/model" --data shards --masks "$masks" --threads 1 --quiet --json |
            tail -n 1 > "$2-$1/eval-$masks.json"
    done
}
# One core each: two models side by side.
for seed in "${seeds[@]}"; do
    train "$seed" word & word=$!
    train "$seed" piece & piece=$!
    wait "$word" "$piece"
done
"$bin/quanci-train" plot $(printf 'word-%s piece-%s ' $(printf '%s\n' "${seeds[@]}" | sed 'p')) -o curves.svg
python3 "$settings/summary.py" .
