"""Rows a CPU-second to batches of tensors: `PretrainingDataset` + `collate`, beside `datasets` + the collator of
docs/en/reading-shards.md (tests/python/batch.py) and, where it is installed, NVIDIA's LDDL. CPU time of all threads, by turns,
in one run.

    python benches/rows.py out/data [rows]

`pip install --no-deps lddl==0.1.0` is enough for LDDL: what else it asks for is needed to make its shards, which are made here of
the data set's own rows, with their masks, or without where masks are drawn anew. LDDL reads pairs only.
"""

from __future__ import annotations

import io
import itertools
import logging
import statistics
import sys
import tempfile
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


def to_lddl(data: quanci.DataSet, folder: Path) -> None:
    """Writes rows as LDDL's preprocessor does: tokens as text, in four files, one of which has to have a row more."""
    import numpy
    import pyarrow
    import pyarrow.parquet

    pieces, mask = data.vocabulary, data.manifest["vocabulary"]["specials"]["mask"]
    table = data.to_arrow().slice(0, (len(data) - 1) // 4 * 4 + 1).to_pylist()
    made = []
    for row in table:
        ids, b = list(row["input_ids"]), row["segment_b"]
        one = {}
        if row["masked_lm_positions"] is not None:
            at = row["masked_lm_positions"]
            file = io.BytesIO()
            numpy.save(file, numpy.asarray(at, dtype=numpy.uint16))
            one = {"masked_lm_positions": file.getvalue(), "masked_lm_labels": " ".join(pieces[ids[place]] for place in at)}
            for place, seen in zip(at, row["masked_lm_inputs"] or itertools.repeat(mask)):
                ids[place] = seen
        text = lambda part: " ".join(pieces[id] for id in part)  # noqa: E731
        made.append({
            "A": text(ids[1 : b - 1]),
            "B": text(ids[b:-1]),
            "is_random_next": bool(row["next_sentence_label"]),
            "num_tokens": len(ids),
            **one,
        })
    for file in range(4):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(made[file::4]), folder / f"part.{file}.parquet")


def lddl_loader(folder: Path, vocabulary: Path) -> Iterable[dict[str, torch.Tensor]]:
    from lddl.torch import dataloader, get_bert_pretrain_data_loader

    # It asks for `persistent_workers`, which PyTorch refuses without workers: here all kinds work in one process.
    plain = DataLoader.__init__
    dataloader.DataLoader.__init__ = lambda self, *rest, persistent_workers, **more: plain(self, *rest, **more)
    options = {"data_loader_kwargs": {"batch_size": BATCH}, "log_level": logging.ERROR}
    loader: Iterable[dict[str, torch.Tensor]] = get_bert_pretrain_data_loader(str(folder), vocab_file=str(vocabulary), **options)
    return loader


def rate(batches: Callable[[], Iterable[dict[str, torch.Tensor]]]) -> float:
    begin, rows = time.process_time(), 0
    for batch in batches():
        rows += len(batch["input_ids"])
    return rows / (time.process_time() - begin)


def main() -> None:
    data = quanci.open(sys.argv[1])
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    torch.set_num_threads(1)
    place = tempfile.TemporaryDirectory()
    # The slow ones take a share of the rows, or they would take an hour; LDDL at least all, or filling its buffer of rows to
    # shuffle would count more than it does in training.
    kinds: dict[str, Callable[[int], Iterable[dict[str, torch.Tensor]]]] = {
        "quanci.torch": partial(ours, data),
        "datasets + numpy": lambda rows: theirs(data, rows // 100),
    }
    try:
        import lddl.torch  # noqa: F401
    except ImportError as error:
        print(f"LDDL is left out: {error}")
    else:
        to_lddl(data, Path(place.name))
        vocabulary = Path(data.folder) / data.manifest["vocabulary"]["file"]
        loader = lddl_loader(Path(place.name), vocabulary)
        again = lambda: itertools.chain.from_iterable(itertools.repeat(loader))  # noqa: E731
        kinds["LDDL"] = lambda rows: itertools.islice(again(), max(rows // 20, len(data)) // BATCH)
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for batches in kinds.values():
        rate(partial(batches, 200 * BATCH))
    for _ in range(5):
        for name, batches in kinds.items():
            found[name].append(rate(partial(batches, rows)))
    for name, rates in found.items():
        ratios = [own / other for own, other in zip(found["quanci.torch"], rates)]
        beside = f"; quanci.torch has {statistics.median(ratios):.1f} times as many ({min(ratios):.1f} to {max(ratios):.1f})"
        print(
            f"{name:17} {statistics.median(rates):10,.0f} rows a CPU-second ({min(rates):,.0f} to {max(rates):,.0f})"
            f"{beside if name != 'quanci.torch' else ''}"
        )


if __name__ == "__main__":
    main()
