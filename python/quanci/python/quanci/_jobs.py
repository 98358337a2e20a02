"""The program's jobs: the same settings, the same bytes."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from quanci import _native
from quanci._errors import Warning
from quanci._stats import Stats

Settings = Mapping[str, Any] | str | os.PathLike[str]


class Progress(TypedDict):
    """How far a job is."""

    stage: str
    """The stage that runs: `map`, `layout`, `reduce`, `commit`; of `train_vocab`, `count` and `train`."""
    tasks: int
    """Its tasks."""
    done: int | None
    """Work done in the stage, in a unit of its own; None where its amount is not known."""
    all: int | None
    """All of that work."""
    bytes: int
    """Bytes of input read so far."""
    documents: int
    """Documents read so far."""
    rows: int
    """Rows written so far."""


def _source(settings: Settings) -> tuple[str, str | None]:
    if isinstance(settings, Mapping):
        return "", json.dumps(settings, default=_plain)
    return os.fspath(settings), None


def _plain(value: object) -> object:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"settings hold plain values and paths, not {type(value).__name__}")


def _warn(text: str) -> None:
    warnings.warn(text, Warning, stacklevel=4)


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def prepare(
    settings: Settings,
    *,
    out: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    sample: str | None = None,
    threads: int = 0,
    force: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> dict[str, Any]:
    """Makes a data set: `quanci prepare`, on this machine.

    Ctrl-C stops it, and the same call goes on where it was. Warnings of the program are warnings of Python
    (`quanci.Warning`).

    Args:
        settings: a settings file, or a dict of what stands in one. Paths of a dict are relative to the working directory.
        out: the folder of the data set, instead of `output.path`.
        overrides: `key=value`, laid over the settings, as by `--set`.
        sample: a share of the documents for a quick look, such as `"1%"`.
        threads: how many; 0 takes one for each core. The data set does not depend on it.
        force: take the place of what is there.
        progress: called several times a second with a dict (see `Progress`).

    Returns:
        `path`, `data_id`, `counters` and `warnings`, as the program's `--json`.

    Raises:
        SettingsError, InputOutputError, TooManyRejects, RetryError: with the program's words.

    >>> quanci.prepare({  # doctest: +SKIP
    ...     "vocab": "vocab.txt",
    ...     "corpus": [{"paths": ["texts/*.txt"], "format": "paragraphs"}],
    ...     "output": {"path": "out/data"},
    ... })["data_id"]
    '3f0c…'
    """
    path, text = _source(settings)
    told = _native.prepare(
        path, text, list(overrides), _path(out), threads, force, sample, _typed(progress), _warn
    )
    result: dict[str, Any] = json.loads(told)
    return result


def train_vocab(
    settings: Settings,
    *,
    out: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    threads: int = 0,
    force: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> dict[str, Any]:
    """Trains a WordPiece vocabulary: `quanci vocab`, on this machine. Arguments as of `prepare`; `out` is the file.

    Returns:
        `path` and `report`, as the program's `--json`.

    >>> quanci.train_vocab({  # doctest: +SKIP
    ...     "corpus": [{"paths": ["texts/*.txt"], "format": "paragraphs"}],
    ...     "vocabulary": {"size": 8000, "path": "vocab.txt"},
    ... })["path"]
    '/data/vocab.txt'
    """
    path, text = _source(settings)
    told = _native.train_vocab(path, text, list(overrides), _path(out), threads, force, _typed(progress), _warn)
    result: dict[str, Any] = json.loads(told)
    return result


def _typed(progress: Callable[[Progress], object] | None) -> Callable[[Mapping[str, object]], object] | None:
    return progress  # type: ignore[return-value]  # the dict has the keys of Progress


def verify(path: str | os.PathLike[str], *, threads: int = 0) -> dict[str, Any]:
    """Checks every checksum and every row of a data set: `quanci verify`.

    Returns:
        `path`, `files`, `rows` and `bytes`.

    Raises:
        InputOutputError: with the problems, if there are any.
    """
    result: dict[str, Any] = json.loads(_native.verify(os.fspath(path), threads))
    return result


def stats(path: str | os.PathLike[str], *, threads: int = 0) -> Stats:
    """Counts all rows of a data set: `quanci stats`.

    Returns:
        a dict as the program's `--json` has it under `stats`; `frames()` gives its tables as data frames.

    >>> counted = quanci.stats("out/clue-128")  # doctest: +SKIP
    >>> counted["train"]["rows"], counted.frames()["shards"]  # doctest: +SKIP
    """
    return Stats(json.loads(_native.stats(os.fspath(path), threads)))
