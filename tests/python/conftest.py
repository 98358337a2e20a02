"""Small data sets of every kind, prepared once from corpora/samples."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# `datasets` and `transformers` take these as they are imported: nothing is fetched, nothing is kept.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="quanci-hf-")
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

CORPORA = """
[[corpus]]
name = "prose"
paths = ["{samples}/original/{{dialogue,essays,technical,traditional}}.txt"]
format = "paragraphs"

[[corpus]]
name = "sentences"
paths = ["{samples}/original/{{encyclopedia,news}}.txt"]
format = "sentences"

[[corpus]]
name = "qa"
paths = ["{samples}/original/qa.jsonl"]
format = "jsonl"
text_field = ["title", "text"]

[[corpus]]
name = "laws"
paths = ["{samples}/public-domain/statutes-prc.txt"]
format = "paragraphs"
"""

# name: (objective, masks, copies)
KINDS = {
    "nsp": ("nsp", "static", 2),
    "nsp-dynamic": ("nsp", "dynamic", 1),
    "sop": ("sop", "static", 1),
    "mlm": ("mlm", "static", 1),
    "mlm-dynamic": ("mlm", "dynamic", 1),
}


def quanci(*arguments):
    program = (ROOT / os.environ.get("QUANCI", "target/release/quanci")).resolve()
    done = subprocess.run([program, *map(str, arguments), "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, f"quanci {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"


class DataSet:
    """A prepared folder with its manifest."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text("utf-8"))

    def files(self, split):
        """The split's files in the order in which `load_dataset` reads them."""
        return [str(self.folder / path) for path in sorted(s["path"] for s in self.manifest["shards"] if s["split"] == split)]

    def rows(self, split):
        return sum(shard["rows"] for shard in self.manifest["shards"] if shard["split"] == split)


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    config = folder / "vocab.toml"
    config.write_text(CORPORA.format(samples=ROOT / "corpora/samples") + '[vocabulary]\nsize = 6000\npath = "vocab.txt"\n', "utf-8")
    quanci("vocab", config)
    return folder / "vocab.txt"


@pytest.fixture(scope="session")
def prepared(vocabulary, tmp_path_factory):
    """Gives the data set of a kind, preparing it when it is first asked for."""
    folder, done = tmp_path_factory.mktemp("prepared"), {}

    def get(kind):
        if kind not in done:
            objective, masks, copies = KINDS[kind]
            config = folder / f"{kind}.toml"
            text = f'vocab = "{vocabulary}"\n' + CORPORA.format(samples=ROOT / "corpora/samples")
            text += f'[instances]\nobjective = "{objective}"\nmax_seq_len = 128\ncopies = {copies}\n'
            text += f'[masking]\nmode = "{masks}"\nmax_predictions = 20\n'
            text += f'[output]\npath = "{kind}"\nshards = 2\nvalidation = 0.1\n'
            config.write_text(text, "utf-8")
            quanci("prepare", config)
            done[kind] = DataSet(folder / kind)
        return done[kind]

    return get


@pytest.fixture(params=KINDS)
def data_set(request, prepared):
    return prepared(request.param)
