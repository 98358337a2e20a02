"""quanci (全词, "whole word"): Chinese corpora to whole-word-masked pretraining shards, from Python.

The same code as the programs `quanci` and `quanci-train`:

>>> import quanci
>>> quanci.segment("我们在北京大学读书。")
['我们', '在', '北京大学', '读书', '。']

- `open` reads a finished data set; `quanci.torch` deals its rows to PyTorch in the order of the trainer.
- `train_vocab` and `prepare` make one; `verify` and `stats` look at it.
- `segment` and `Tokenizer` find words and pieces.
"""

from quanci._data_set import DataSet, open
from quanci._errors import Error, InputOutputError, RetryError, SettingsError, TooManyRejects, Warning
from quanci._jobs import prepare, stats, train_vocab, verify
from quanci._native import __version__
from quanci._stats import Stats
from quanci._text import Encoding, Segmenter, Tokenizer, segment

__all__ = [
    "DataSet",
    "Encoding",
    "Error",
    "InputOutputError",
    "RetryError",
    "Segmenter",
    "SettingsError",
    "Stats",
    "Tokenizer",
    "TooManyRejects",
    "Warning",
    "__version__",
    "open",
    "prepare",
    "segment",
    "stats",
    "train_vocab",
    "verify",
]
