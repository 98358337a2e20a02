#!/usr/bin/env bash
# The downstream check: BERT-tiny is pretrained with masks of words and with masks of single tokens, and tuned on four labelled sets
# beside random weights, three seeds each. About an hour on two CPU cores.
#   tests/downstream/run.sh CORPUS SETS [OUT]
# CORPUS: the folder of texts that vocab.toml names; SETS: that of the labelled sets that split.py names; OUT: out/downstream
set -euo pipefail
cd "$(dirname "$0")/../.."
corpus=$(realpath "${1:?the folder of texts}")
sets=$(realpath "${2:?the folder of the labelled sets}")
out=${3:-out/downstream}

bash trainer/setup-libtorch.sh
cargo build --release --locked --workspace
bin=$(realpath "${CARGO_TARGET_DIR:-target}/release")
settings=$PWD/tests/downstream
mkdir -p "$out"
cd "$out"
cp "$settings"/*.toml "$settings/model.json" .
ln -sfn "$corpus" corpus
python3 "$settings/split.py" "$sets" sets
"$bin/quanci" vocab vocab.toml
"$bin/quanci" prepare prepare.toml

score() { # a folder for the table, then models
    "$bin/quanci-train" score "${@:2}" --suite suite.toml --data sets -o "$1" --threads 1 --quiet
}
one() { # one model, and its scores: unit, then more options of `score`
    "$bin/quanci-train" pretrain pretrain.toml --threads 1 --set masking.unit="$1" --set output="$1" --quiet
    score "scores-$1" "$@" >"$1.md"
}
# One core each.
one word & word=$!
one piece & piece=$!
wait "$word"
wait "$piece"
# What is done is not done again: random weights, half of the sets on each core, then all in one table.
collect() { # a folder, and those whose runs it takes
    mkdir -p "$1/runs"
    for from in "${@:2}"; do cp -r "$from"/runs/* "$1/runs/"; done
}
half() { # a folder and its sets
    collect "$1" scores-word scores-piece
    score "$1" word piece --random --sets "$2" >"$1.md"
}
half scores-half-1 chnsenticorp & first=$!
half scores-half-2 ocnli,cluener,thucnews-titles & second=$!
wait "$first"
wait "$second"
collect scores scores-half-1 scores-half-2
score scores word piece --random
echo "$((SECONDS / 60)) minutes"
