"""Rows a CPU-second to batches of tensors: `PretrainingDataset` + `collate`, beside `datasets` + the collator of
docs/en/reading-shards.md (tests/python/batch.py). CPU time of all threads, by turns, in one run.

    python benches/rows.py out/data [rows]
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import quanci
from quanci.torch import PretrainingDataset, collate

sys.path.insert(0, str(Path(__file__).parents[3] / "tests/python"))
from batch import Collator  # noqa: E402

BATCH = 32


def ours(data: quanci.DataSet, rows: int) -> Iterable[dict[str, torch.Tensor]]:
    dealt = PretrainingDataset(data, batch_size=BATCH, global_batch=8 * BATCH, lanes=8, epochs=None)
    return itertools.islice(DataLoader(dealt, batch_size=BATCH, collate_fn=collate), rows // BATCH)


def theirs(data: quanci.DataSet, rows: int) -> Iterable[dict[str, torch.Tensor]]:
    loader = DataLoader(data.to_hf(), batch_size=BATCH, shuffle=True, collate_fn=Collator(data.manifest))
    return itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), rows // BATCH)


def rate(batches: Callable[[], Iterable[dict[str, torch.Tensor]]]) -> float:
    begin, rows = time.process_time(), 0
    for batch in batches():
        rows += len(batch["input_ids"])
    return rows / (time.process_time() - begin)


def main() -> None:
    data = quanci.open(sys.argv[1])
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    torch.set_num_threads(1)
    # The slow one takes a share of the rows, or it would take an hour.
    kinds = {"quanci.torch": partial(ours, data, rows), "datasets + numpy": partial(theirs, data, rows // 20)}
    rate(partial(ours, data, 10 * BATCH)), rate(partial(theirs, data, 10 * BATCH))
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(5):
        for name, batches in kinds.items():
            found[name].append(rate(batches))
    for name, rates in found.items():
        print(f"{name:17} {statistics.median(rates):10,.0f} rows a CPU-second ({min(rates):,.0f} to {max(rates):,.0f})")
    ratios = [own / other for own, other in zip(*found.values())]
    print(f"ratio             {statistics.median(ratios):10.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
