"""Rows for PyTorch, in the order and with the masks of `quanci-train`.

>>> from torch.utils.data import DataLoader  # doctest: +SKIP
>>> from quanci.torch import PretrainingDataset, collate  # doctest: +SKIP
>>> rows = PretrainingDataset("out/clue-128", batch_size=32, seed=1)  # doctest: +SKIP
>>> for batch in DataLoader(rows, batch_size=32, num_workers=2, collate_fn=collate):  # doctest: +SKIP
...     loss = model(**batch).loss
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict, cast

import torch
from torch.utils.data import IterableDataset, get_worker_info

from quanci import _native
from quanci._data_set import DataSet
from quanci._errors import Error, SettingsError, Warning
from quanci._native import Row

__all__ = ["Batch", "PretrainingDataset", "Row", "collate"]

Source = str | os.PathLike[str] | DataSet

# Where this module was loaded. A process that was forked afterwards has no threads of the object stores' clients.
_LOADED_IN = os.getpid()


class Batch(TypedDict, total=False):
    """What `collate` makes: tensors of 64-bit integers, with B rows of T tokens."""

    input_ids: torch.Tensor
    """[B, T]: ids with masks laid in, `[PAD]` behind each row."""
    attention_mask: torch.Tensor
    """[B, T]: 1 for tokens, 0 for padding."""
    token_type_ids: torch.Tensor
    """[B, T]: 1 in segment B, else 0."""
    labels: torch.Tensor
    """[B, T]: the original ids where tokens are masked, else -100."""
    next_sentence_label: torch.Tensor
    """[B]: 0 = B follows A, 1 = random or swapped; not there for `objective = "mlm"`."""


def collate(rows: Sequence[Row], *, pad_to: int | None = None, pad_to_multiple_of: int = 1) -> Batch:
    """Makes a batch of rows: the arguments of transformers' `BertForPreTraining`, and `BertForMaskedLM` for `mlm`.

    The masks are those of the rows. Give it to `DataLoader` as `collate_fn`, to `Trainer` as `data_collator`; with
    arguments, by `functools.partial`. Warns if the rows are not one batch of the data set.

    Args:
        rows: as `PretrainingDataset` gives them.
        pad_to: columns of every batch; by default as many as the longest row has tokens.
        pad_to_multiple_of: round the columns up to a multiple of this number.
    """
    number, columns, arrays, is_whole = _native.collate(list(rows), pad_to, pad_to_multiple_of)
    if not is_whole:
        warnings.warn(
            "the rows are not one batch of the data set, so what a batch holds depends on the number of workers: give the "
            "DataLoader the batch_size of the PretrainingDataset",
            Warning,
            stacklevel=2,
        )
    batch = {}
    for name, array in arrays:
        tensor = torch.frombuffer(array, dtype=torch.int64)
        batch[name] = tensor.view(number, columns) if len(array) == number * columns * 8 and name != _PAIR else tensor
    return cast(Batch, batch)


_PAIR = "next_sentence_label"


class PretrainingDataset(IterableDataset[Row]):
    """Deals the rows of data sets as `quanci-train` does, one pass at a time.

    The batches are the micro-batches of a run of the trainer with the same `seed`, `global_batch`, `lanes`, `window`,
    `group_batches` and `masking`, in the same order and with the same masks. They depend neither on the number of workers
    of a `DataLoader`, nor, with the same `global_batch`, on the number of ranks: rank r of R has the micro-batches r, r + R, …
    of each global batch.

    Give the `DataLoader` the same `batch_size`, `collate_fn=collate`, and no sampler. Workers take the batches by turns. If
    `global_batch` is a multiple of batch_size * world_size * num_workers, and `lanes` one of world_size * num_workers, each
    worker reads only its own rows; else every worker reads all of them.

    Epochs follow one another without a gap, as in the trainer. A global batch in which one ends and the next begins belongs
    to the former. `validation` rows come in their order with their stored masks; the last batch has what is left.

    Iterating gives `Row`s, and begins at `epoch` each time, unless a state was loaded. `set_epoch` chooses another one;
    accelerate and transformers call it. Where nothing calls it, as in Lightning, or where workers do not hear of it
    (`persistent_workers=True`), take `epochs=None` and a number of steps.

    Args:
        data: a folder or URL, a `DataSet`, or several with their weights, such as `{"out/a": 2.0, "out/b": 1.0}`.
        split: `train` or `validation`.
        seed: what order and masks are drawn from; the trainer's `seed`.
        epoch: the first epoch.
        epochs: how many epochs a pass has; None never ends.
        world_size: ranks that share the rows.
        rank: this one, from 0.
        batch_size: rows of a batch of this rank; the trainer's `micro_batch`.
        global_batch: rows of a step over all ranks; by default batch_size * world_size.
        lanes, window, group_batches: the trainer's `[data]`.
        masking: what differs from the data set's masks, as the trainer's `[masking]`: `mode`, `unit`, `prob`,
            `max_predictions`, `replace`.
        threads: threads that read and mask, in each process.
        verify: compare each file with its SHA-256 when a process first reads it.
        cache_folder, cache_gb: as of `quanci.open`.

    Raises:
        SettingsError: if the numbers do not go together.
        InputOutputError: if a data set cannot be read.
    """

    def __init__(
        self,
        data: Source | Mapping[str | os.PathLike[str], float],
        *,
        split: str = "train",
        seed: int = 12345,
        epoch: int = 0,
        epochs: int | None = 1,
        world_size: int = 1,
        rank: int = 0,
        batch_size: int = 32,
        global_batch: int | None = None,
        lanes: int = 64,
        window: int = 64,
        group_batches: int = 0,
        masking: Mapping[str, object] | None = None,
        threads: int = 1,
        verify: bool = True,
        cache_folder: str | os.PathLike[str] | None = None,
        cache_gb: int = 100,
    ) -> None:
        super().__init__()
        if epoch < 0 or (epochs is not None and epochs < 1):
            raise SettingsError("`epoch` must be at least 0 and `epochs` at least 1, or None")
        if not 0 <= rank < world_size:
            raise SettingsError(f"`rank` = {rank} of `world_size` = {world_size}: ranks count from 0")
        sources: Mapping[Any, float] = data if isinstance(data, Mapping) else {data: 1.0}
        if any(not weight > 0 for weight in sources.values()):
            raise SettingsError("the weights of `data` must be above 0")
        self._sources = [(_path(source), float(weight)) for source, weight in sources.items()]
        self._options = json.dumps({
            "seed": seed,
            "global_batch": batch_size * world_size if global_batch is None else global_batch,
            "batch_size": batch_size,
            "data": {
                "lanes": lanes,
                "window": window,
                "group_batches": group_batches,
                "workers": threads,
                "verify": "once" if verify else "never",
            },
            "masking": dict(masking or {}),
        })
        self._split, self._rank, self._world_size = split, rank, world_size
        self._cache = (None if cache_folder is None else os.fspath(cache_folder), cache_gb)
        self.batch_size = batch_size
        self.epoch = epoch
        self.epochs = epochs
        self._opened: tuple[int, _native.Batches] | None = None
        # Where the pass is, and where the next one begins if a state was loaded.
        self._place: dict[str, Any] | None = None
        self._resumed: dict[str, Any] | None = None
        self._native()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _native(self) -> _native.Batches:
        """The data sets, opened by this process: one that was forked opens its own."""
        pid = os.getpid()
        if self._opened is None or self._opened[0] != pid:
            if pid != _LOADED_IN and any("://" in path for path, _ in self._sources):
                raise Error(
                    "a data set in an object store cannot be read by a forked process: give the DataLoader "
                    'multiprocessing_context="spawn"'
                )
            batches = _native.Batches(
                self._sources, self._split, self._options, self._rank, self._world_size, *self._cache
            )
            self._opened = (pid, batches)
        return self._opened[1]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next pass begins at. Forgets no loaded state of that epoch."""
        if epoch < 0:
            raise SettingsError(f"`epoch` must be at least 0; it is {epoch}")
        if epoch != self.epoch:
            self._resumed = None
        self.epoch = epoch

    def _span(self) -> tuple[int, int | None]:
        """The rank's batches of the pass: the first, and the one behind the last."""
        native = self._native()
        if self._split == "validation":
            return 0, native.validation()[0]
        end = None if self.epochs is None else native.first(self.epoch + self.epochs)
        return native.first(self.epoch), end

    def __len__(self) -> int:
        """Rows that the rank has in a pass."""
        if self._split == "validation":
            return self._native().validation()[1]
        first, end = self._span()
        if end is None:
            raise TypeError("a PretrainingDataset with epochs=None has no length")
        return (end - first) * self.batch_size

    def __iter__(self) -> Iterator[Row]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        place = self._begin(worker, workers)
        _, end = self._span()
        skip = place["row"]
        number = place["start"] + worker + place["done"] * workers
        if end is not None and number >= end:
            return
        stream = self._native().stream(number, workers)
        while end is None or number < end:
            rows = stream.next()
            if rows is None:
                return
            for at in range(skip, len(rows)):
                place["row"] = at + 1
                if at + 1 == len(rows):
                    # Before the last row is given: a state that is asked for after it is that of the next batch.
                    place["row"], place["done"] = 0, place["done"] + 1
                yield rows[at]
            skip = 0
            number += workers

    def _begin(self, worker: int, workers: int) -> dict[str, Any]:
        """Where the pass begins: at the epoch's first batch, or where the loaded state says."""
        state, self._resumed = self._resumed, None
        first, _ = self._span()
        place = {"start": first, "done": 0, "row": 0}
        if state is not None:
            place = {key: state[key] for key in place}
            before = state["workers"]
            if before == 1 and workers > 1:
                # One process took all batches in their order: so many are done, whoever goes on.
                if state["row"]:
                    raise SettingsError("the state is one within a batch: go on without workers until the batch ends")
                place = {"start": state["start"] + state["done"], "done": 0, "row": 0}
            elif before != workers or state["worker"] != worker:
                raise SettingsError(
                    f"the state is that of worker {state['worker']} of {before}, and this is worker {worker} of "
                    f"{workers}: resume with as many workers"
                )
        self._place = {**place, "worker": worker, "workers": workers}
        return self._place

    def state_dict(self) -> dict[str, Any]:
        """Where the pass is: plain values, for `load_state_dict`, here or in another process.

        As torchdata's `StatefulDataLoader` asks it of each worker. In a plain loop without workers, take it after any row;
        a `DataLoader` of PyTorch with workers has their copies of the data set, and cannot tell.
        """
        place = self._place or self._resumed or {"start": self._span()[0], "done": 0, "row": 0, "worker": 0, "workers": 1}
        kept = {key: place[key] for key in ("start", "done", "row", "worker", "workers")}
        return {"version": 1, "epoch": self.epoch, "identity": self._native().identity(), **kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next pass goes on behind the rows that were given before the state was taken: no row comes twice, and none is
        left out.

        Raises:
            SettingsError: if the state is one of other data sets, or of another order or other masks.
        """
        if state.get("version") != 1:
            raise SettingsError("not a state of PretrainingDataset, or one of another version of quanci")
        ours = self._native().identity()
        if state["identity"] != ours:
            differing = [f"{theirs} there, {own} here" for theirs, own in zip(state["identity"], ours) if theirs != own]
            raise SettingsError("the state is that of another order of rows: " + "; ".join(differing or ["other data sets"]))
        self.epoch = state["epoch"]
        self._resumed = dict(state)
        self._place = None

    def state_at(self, batches: int) -> dict[str, Any]:
        """The state after so many of this rank's batches of the pass: to go on after so many steps of a loop that kept no
        state, with any number of workers."""
        if batches < 0:
            raise SettingsError(f"`batches` must be at least 0; it is {batches}")
        place = {"start": self._span()[0], "done": batches, "row": 0, "worker": 0, "workers": 1}
        return {"version": 1, "epoch": self.epoch, "identity": self._native().identity(), **place}

    def __repr__(self) -> str:
        paths = ", ".join(path for path, _ in self._sources)
        return f"PretrainingDataset({paths}, split={self._split!r}, epoch={self.epoch}, rank {self._rank} of {self._world_size})"


def _path(source: Source) -> str:
    return source.folder if isinstance(source, DataSet) else os.fspath(source)
