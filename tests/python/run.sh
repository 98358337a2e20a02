#!/usr/bin/env bash
# Reads quanci's data sets from Python: prepares small ones from corpora/samples and opens them with pyarrow, polars,
# DuckDB, Hugging Face datasets, tokenizers and transformers, in a virtual environment of its own (.venv, made once). Checks
# the manifests for Kubernetes by its schema, too.
# Arguments go to pytest. DataLoader, Trainer and the forward pass through BertForPreTraining run where .venv has torch:
#   .venv/bin/pip install torch accelerate
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "tests/python/run.sh: $*" >&2; exit 1; }
python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is not there: install Python 3.11 or later, or name one with PYTHON="
command -v cargo >/dev/null || fail "cargo is not there: install Rust"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$python" -V) is too old: 3.11 is wanted"

wanted=$(cat tests/python/requirements.txt)
if [ "$(cat .venv/installed.txt 2>/dev/null)" != "$wanted" ]; then
    "$python" -m venv .venv || fail "cannot make .venv: install Python's venv module (Debian, Ubuntu: python3-venv)"
    .venv/bin/python -m pip --version >/dev/null 2>&1 || fail ".venv has no pip: remove .venv, install python3-venv or ensurepip"
    .venv/bin/python -m pip install --quiet --requirement tests/python/requirements.txt \
        || fail "pip could not install tests/python/requirements.txt: see its message above"
    echo "$wanted" >.venv/installed.txt
fi

cargo build --release --quiet
QUANCI=${CARGO_TARGET_DIR:-target}/release/quanci exec .venv/bin/python -m pytest tests/python -p no:cacheprovider -q "$@"
