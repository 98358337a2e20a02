"""Finished data sets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, overload

from quanci import _native
from quanci._optional import needed

if TYPE_CHECKING:
    import datasets
    import polars
    import pyarrow

Row = dict[str, Any]


class DataSet:
    """A split of a finished data set, read-only: `len`, rows by index, and other libraries' forms of it.

    A row is a dict with the columns of the files: `input_ids` (list of int: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`,
    unmasked and unpadded), `segment_b` (position of B's first token, or None), `word_starts` (list of bool, one a token),
    `next_sentence_label` (0, 1 or None), `masked_lm_positions` and `masked_lm_inputs` (stored masks: lists of int, or None),
    `document` (first 64 bits of the document's content hash), `source` (the corpus).

    >>> data = quanci.open("out/clue-128")  # doctest: +SKIP
    >>> len(data), data.splits  # doctest: +SKIP
    (18542, {'train': 18542, 'validation': 187})
    >>> data[0]["input_ids"][:4], data[-1]["source"]  # doctest: +SKIP
    ([101, 2769, 812, 1762], 'news')
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        split: str = "train",
        copy: int = 0,
        *,
        cache_folder: str | os.PathLike[str] | None = None,
        cache_gb: int = 100,
    ) -> None:
        folder = None if cache_folder is None else os.fspath(cache_folder)
        self._native = _native.DataSet(os.fspath(path), folder, cache_gb)
        self._manifest: dict[str, Any] = json.loads(self._native.manifest_json())
        self._vocabulary: list[str] | None = None
        self._choose(split, copy)

    def _choose(self, split: str, copy: int) -> None:
        self._native.rows(split, copy)  # a wrong name has its message
        copies = self.copies if split == "train" else 1
        if not 0 <= copy < copies:
            raise IndexError(f"copy {copy} of {copies} in the split {split!r}")
        self._split, self._copy = split, copy

    @property
    def folder(self) -> str:
        """The folder or URL."""
        return self._native.folder

    @property
    def manifest(self) -> dict[str, Any]:
        """`manifest.json`: `format_version`, `data_id`, `objective`, `masking`, `vocabulary`, `shards`, …"""
        return self._manifest

    @property
    def vocabulary(self) -> list[str]:
        """The entries of the vocabulary in the order of their ids."""
        if self._vocabulary is None:
            self._vocabulary = self._native.vocabulary()
        return self._vocabulary

    @property
    def splits(self) -> dict[str, int]:
        """The splits and the rows of each; of `train`, those of the first copy."""
        rows = {name: self._native.rows(name, 0) for name in ("train", "validation")}
        return {name: number for name, number in rows.items() if number > 0}

    @property
    def split_name(self) -> str:
        """The split that this object shows."""
        return self._split

    @property
    def copies(self) -> int:
        """Copies of the training rows, with other pairs and other static masks: epoch e reads copy e modulo copies."""
        return int(self._manifest["copies"])

    def split(self, name: str, copy: int = 0) -> DataSet:
        """Another split of the same data set, or another copy of it.

        >>> data.split("validation")  # doctest: +SKIP
        DataSet('out/clue-128', split='validation', 187 rows)
        """
        other = object.__new__(DataSet)
        other.__dict__.update(self.__dict__)
        other._choose(name, copy)
        return other

    def __len__(self) -> int:
        return self._native.rows(self._split, self._copy)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        rows = len(self)
        at = index + rows if index < 0 else index
        if not 0 <= at < rows:
            raise IndexError(f"row {index} of {rows}")
        return self._native.row(self._split, self._copy, at)

    def __iter__(self) -> Iterator[Row]:
        return (self[at] for at in range(len(self)))

    def __repr__(self) -> str:
        copy = f", copy={self._copy}" if self._copy else ""
        return f"DataSet({self.folder!r}, split={self._split!r}{copy}, {len(self)} rows)"

    def draw_masks(
        self, index: int, *, seed: int, epoch: int, masking: Mapping[str, object] | None = None
    ) -> tuple[list[int], list[int]]:
        """The masks that a run with this seed draws for a row in an epoch: positions, ascending, and the ids that the model
        sees there. `masking` is what the run's `[masking]` says.

        >>> positions, inputs = data.draw_masks(0, seed=12345, epoch=3)  # doctest: +SKIP
        """
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        text = json.dumps({"masking": dict(masking or {})})
        return self._native.draw_masks(self._split, self._copy, index, seed, epoch, text)

    def files(self) -> list[str]:
        """The split's Parquet files on this machine; of a data set in an object store, copies in the cache."""
        return [os.fspath(path) for path in self._native.files(self._split, self._copy)]

    def to_arrow(self) -> pyarrow.Table:
        """The split as a `pyarrow.Table`, in memory."""
        arrow, parquet = needed("pyarrow", "to_arrow()"), needed("pyarrow.parquet", "to_arrow()")
        # One file after the other: a folder or a list would be read as partitions of a data set.
        return arrow.concat_tables([parquet.ParquetFile(path).read() for path in self.files()])

    def to_polars(self) -> polars.DataFrame:
        """The split as a `polars.DataFrame`, in memory."""
        frame: polars.DataFrame = needed("polars", "to_polars()").read_parquet(self.files())
        return frame

    def to_hf(self) -> datasets.Dataset:
        """The split as a `datasets.Dataset` of Hugging Face, mapped from its cache on disk."""
        datasets = needed("datasets", "to_hf()")
        return datasets.Dataset.from_parquet(self.files())


def open(
    path: str | os.PathLike[str],
    *,
    split: str = "train",
    copy: int = 0,
    cache_folder: str | os.PathLike[str] | None = None,
    cache_gb: int = 100,
) -> DataSet:
    """Opens a finished data set: a folder, or a URL such as `s3://bucket/data`.

    Args:
        path: the folder or URL that `quanci prepare` wrote.
        split: `train` or `validation`.
        copy: of `train`, which copy.
        cache_folder: where copies of files in object stores are kept; by default in the user's cache folder.
        cache_gb: gigabytes that they may take.

    Raises:
        InputOutputError: if there is no finished data set, or if it is damaged.
    """
    return DataSet(path, split, copy, cache_folder=cache_folder, cache_gb=cache_gb)
