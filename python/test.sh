#!/usr/bin/env bash
# The Python packages, as a user has them: builds the wheels, installs them into a new environment without Rust or a compiler,
# makes a vocabulary and shards of the samples, pretrains, fills masks, moves the environment and does it again; then pytest
# and mypy.
#
#   python/test.sh              the wheels. Fetches 3 GB of packages (python/requirements.txt), which pip keeps
#   python/test.sh --in-place   the module of target/release, in the environment .venv-python, made once: no wheel
#
# QUANCI_WHEELS names a folder with wheels of both packages, to test those. Other arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}

fail() { echo "python/test.sh: $*" >&2; exit 1; }
say() { printf '\n== %s\n' "$*"; }

if [ "${1:-}" = --in-place ]; then
    shift
    module=$target/release/libquanci_native.so
    [ -e "$module" ] || fail "$module is not there: cargo build --release --workspace builds it"
    if [ "$(cat .venv-python/installed.txt 2>/dev/null)" != "$(cat python/requirements.txt)" ]; then
        if python3 -m venv .venv-python && .venv-python/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements.txt; then
            cp python/requirements.txt .venv-python/installed.txt
        else
            echo "pip could not install python/requirements.txt into .venv-python: the Python package is not tested" >&2
            rm -rf .venv-python
            exit 0
        fi
    fi
    rm -rf "$target/python"
    mkdir -p "$target/python"
    cp -r python/quanci/python/quanci python/quanci-train/quanci_train "$target/python/"
    cp "$module" "$target/python/quanci/_native.abi3.so"
    export PYTHONPATH=$target/python QUANCI=$target/release/quanci
    python=$root/.venv-python/bin/python
    # As `python -m`, from the package's folder: there its settings are, and nothing of its name that is not built.
    (cd python/quanci && "$python" -m pytest -q -p no:cacheprovider "$@" && "$python" -m mypy --cache-dir "$target/mypy" python/quanci tests)
    exit 0
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
if [ -z "${QUANCI_WHEELS:-}" ]; then
    say wheels
    rm -rf "$target/wheels"
    bash python/build.sh train
    QUANCI_WHEELS=$target/wheels
fi
wheels=("$QUANCI_WHEELS"/quanci-*.whl "$QUANCI_WHEELS"/quanci_train-*.whl)
ls -l "${wheels[@]}"

say environment
begin=$SECONDS
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check "${wheels[@]}"

say "from text to a model"
first_run() {
    # Nothing of this machine's tools but the environment and the system's own commands.
    env -i PATH="$1/bin:/usr/bin:/bin" HOME="$place" QUANCI_ROOT="$root" sh -euc '
        cd "$HOME"; rm -rf run; mkdir run; cd run
        quanci --version
        python -W ignore - <<"PYTHON"
import os, quanci
samples = os.environ["QUANCI_ROOT"] + "/corpora/samples/original/"
corpus = [
    {"paths": [samples + name + ".txt" for name in ("dialogue", "essays", "technical")], "format": "paragraphs"},
    {"paths": [samples + "news.txt", samples + "encyclopedia.txt"], "format": "sentences"},
]
quanci.train_vocab({"corpus": corpus, "vocabulary": {"size": 4000, "path": "vocab.txt"}})
made = quanci.prepare({"vocab": "vocab.txt", "corpus": corpus, "instances": {"max_seq_len": 64}, "output": {"path": "data"}})
print("data id", made["data_id"], quanci.verify("data"))
PYTHON
        quanci-train init data -o run.toml --quiet
        quanci-train check run.toml --set "phase[0].steps=20" --set "phase[0].warmup_steps=2" --quiet
        quanci-train pretrain run.toml --set "phase[0].steps=20" --set "phase[0].warmup_steps=2" --quiet
        quanci-train fill-mask --model runs/run/model "我们在[MASK]京大学读书。"
    '
}
first_run "$place/venv"
echo "from the wheels to filled masks, installing torch included: $((SECONDS - begin)) s"

say "a moved environment"
mv "$place/venv" "$place/elsewhere"
first_run "$place/elsewhere"
mv "$place/elsewhere" "$place/venv"

say "another torch"
"$place/venv/bin/python" - <<'PYTHON'
import sys, types, quanci_train, pathlib, tempfile
# A package of another version, and none: told in words.
place = pathlib.Path(tempfile.mkdtemp(), "torch")
(place / "lib").mkdir(parents=True)
(place / "__init__.py").touch()
(place / "version.py").write_text("__version__ = '2.10.0+cpu'\n")
for path, words in (([str(place.parent)], "is torch 2.10.0+cpu"), ([], "needs the package torch")):
    before, sys.path[:] = list(sys.path), path
    sys.path_importer_cache.clear()
    try:
        quanci_train.libtorch()
        raise SystemExit("not refused")
    except quanci_train.TorchNotFound as error:
        assert words in str(error), error
    sys.path[:] = before
print("refused, with the reason")
PYTHON

say "pytest and mypy"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r python/requirements.txt
export QUANCI_ROOT=$root QUANCI=$place/venv/bin/quanci
cp -r python/quanci/tests python/quanci/examples python/quanci/pyproject.toml "$place/"
cd "$place"
venv/bin/python -m pytest -q -p no:cacheprovider tests "$@"
venv/bin/python -m mypy --cache-dir "$place/mypy" -p quanci -p quanci_train
venv/bin/python -m mypy --cache-dir "$place/mypy" tests
say "all checks of the Python packages passed"
