"""A vocabulary and small data sets of the kinds that matter, made once by the package itself from corpora/samples."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# `datasets` and `transformers` take these as they are imported: nothing is fetched, nothing is kept.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="quanci-hf-")
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

import quanci  # noqa: E402

ROOT = Path(os.environ.get("QUANCI_ROOT", Path(__file__).parents[3]))
SAMPLES = ROOT / "corpora/samples"

CORPUS: list[dict[str, Any]] = [
    {
        "name": "prose",
        "paths": [SAMPLES / "original" / f"{name}.txt" for name in ("dialogue", "essays", "technical", "traditional")],
        "format": "paragraphs",
    },
    {
        "name": "sentences",
        "paths": [SAMPLES / "original/encyclopedia.txt", SAMPLES / "original/news.txt"],
        "format": "sentences",
    },
    {"name": "qa", "paths": [SAMPLES / "original/qa.jsonl"], "format": "jsonl", "text_field": ["title", "text"]},
    {"name": "laws", "paths": [SAMPLES / "public-domain/statutes-prc.txt"], "format": "paragraphs"},
]

# name: (objective, masks, copies)
KINDS = {"nsp": ("nsp", "static", 2), "nsp-dynamic": ("nsp", "dynamic", 1), "mlm-dynamic": ("mlm", "dynamic", 1)}


def settings_of(kind: str, vocabulary: Path, folder: Path) -> dict[str, Any]:
    objective, masks, copies = KINDS[kind]
    return {
        "vocab": vocabulary,
        "corpus": CORPUS,
        "instances": {"objective": objective, "max_seq_len": 128, "copies": copies},
        "masking": {"mode": masks, "max_predictions": 20},
        "output": {"path": folder, "shards": 2, "validation": 0.1},
    }


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    made = quanci.train_vocab({"corpus": CORPUS, "vocabulary": {"size": 6000, "path": path}})
    assert made["path"] == str(path)
    return path


@pytest.fixture(scope="session")
def prepared(vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the data set of a kind, making it when it is first asked for."""
    folder, done = tmp_path_factory.mktemp("prepared"), {}

    def get(kind: str) -> Path:
        if kind not in done:
            quanci.prepare(settings_of(kind, vocabulary, folder / kind))
            done[kind] = folder / kind
        return done[kind]

    return get
