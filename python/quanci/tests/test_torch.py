"""`quanci.torch`: the trainer's batches, for any number of workers, and on from anywhere."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import quanci

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils.data import DataLoader  # noqa: E402

from quanci.torch import PretrainingDataset, collate  # noqa: E402

# Few lanes: the sample corpora are small.
OPTIONS: dict[str, Any] = {"seed": 7, "batch_size": 8, "lanes": 8, "window": 16}
Prepared = Callable[[str], Path]


def batches(data: PretrainingDataset, workers: int, **options: Any) -> Iterator[Any]:
    return iter(DataLoader(data, batch_size=data.batch_size, num_workers=workers, collate_fn=collate, **options))


def equal(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def keys(data: PretrainingDataset) -> list[tuple[int, int, int]]:
    return [row.key for row in data]


@pytest.mark.parametrize("kind", ["nsp", "nsp-dynamic", "mlm-dynamic"])
def test_a_batch(prepared: Prepared, kind: str) -> None:
    source = quanci.open(prepared(kind))
    files = {}
    for copy in range(source.copies):
        shards = [i for i, s in enumerate(source.manifest["shards"]) if s["split"] == "train" and s["copy"] == copy]
        split = source.split("train", copy)
        numbers = [(file, row) for file in shards for row in range(source.manifest["shards"][file]["rows"])]
        files.update({place: (split, index) for index, place in enumerate(numbers)})
    data = PretrainingDataset(source, epoch=3, **OPTIONS)
    rows = [row for row, _ in zip(data, range(200))]
    specials = source.manifest["vocabulary"]["specials"]
    for at in range(0, 200, 8):
        part = rows[at : at + 8]
        batch = collate(part)
        width = max(map(len, part))
        assert ("next_sentence_label" in batch) == (kind != "mlm-dynamic")
        for name in ("input_ids", "attention_mask", "token_type_ids", "labels"):
            assert batch[name].shape == (8, width) and batch[name].dtype == torch.int64
        for i, row in enumerate(part):
            n, (_, file, number) = len(row), row.key
            split, index = files[file, number]
            stored = split[index]
            positions, inputs = (
                (stored["masked_lm_positions"], stored["masked_lm_inputs"])
                if kind == "nsp"
                else split.draw_masks(index, seed=7, epoch=3)
            )
            assert row.masked_lm_positions == positions and row.segment_b == stored["segment_b"]
            ids = list(stored["input_ids"])
            labels = [ids[at] if at in positions else -100 for at in range(n)]
            assert row.masked_lm_labels == [ids[at] for at in positions]
            for position, seen in zip(positions, inputs):
                ids[position] = seen
            assert batch["input_ids"][i].tolist() == ids + [specials["pad"]] * (width - n)
            assert batch["labels"][i].tolist() == labels + [-100] * (width - n)
            assert batch["attention_mask"][i].tolist() == [1] * n + [0] * (width - n)
            b = n if stored["segment_b"] is None else stored["segment_b"]
            assert batch["token_type_ids"][i].tolist() == [0] * b + [1] * (n - b) + [0] * (width - n)
            if kind != "mlm-dynamic":
                assert batch["next_sentence_label"][i] == stored["next_sentence_label"] == row.next_sentence_label


def test_padding(prepared: Prepared) -> None:
    rows = [row for row, _ in zip(PretrainingDataset(prepared("nsp"), **OPTIONS), range(8))]
    assert collate(rows, pad_to=512)["labels"].shape == (8, 512)
    width = collate(rows, pad_to_multiple_of=64)["input_ids"].shape[1]
    assert width % 64 == 0 and max(map(len, rows)) <= width
    with pytest.raises(ValueError, match="pad_to = 3, but a row has"):
        collate(rows, pad_to=3)
    with pytest.raises(ValueError, match="at least one row"):
        collate([])
    with pytest.raises(TypeError, match="not one with dict"):
        collate([{"input_ids": [1]}])  # type: ignore[list-item]


def test_another_batch_size_is_told(prepared: Prepared) -> None:
    data = PretrainingDataset(prepared("nsp"), **OPTIONS)
    for size in (4, 16):
        with pytest.warns(quanci.Warning, match="give the DataLoader the batch_size"):
            next(iter(DataLoader(data, batch_size=size, collate_fn=collate)))


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("global_batch", [8, 24, 64])
def test_workers_change_nothing(prepared: Prepared, split: str, global_batch: int) -> None:
    data = PretrainingDataset(prepared("nsp-dynamic"), split=split, global_batch=global_batch, **OPTIONS)
    alone = list(batches(data, 0))
    assert len(alone) == -(-len(data) // 8) and sum(len(batch["labels"]) for batch in alone) == len(data)
    for workers in (1, 2, 4):
        found = list(batches(data, workers))
        assert len(found) == len(alone) and all(map(equal, found, alone)), f"{workers} workers"


def test_ranks_share_the_batches(prepared: Prepared) -> None:
    make = partial(PretrainingDataset, prepared("nsp-dynamic"), global_batch=64, **OPTIONS)
    alone = list(batches(make(), 0))
    for world_size in (2, 4, 8):
        ranks = [list(batches(make(world_size=world_size, rank=rank), 0)) for rank in range(world_size)]
        together = [batch for step in zip(*ranks) for batch in step]
        assert len(together) == len(alone) and all(map(equal, together, alone))
    validation = list(batches(make(split="validation"), 0))
    ranks = [list(batches(make(split="validation", world_size=4, rank=rank), 0)) for rank in range(4)]
    assert sum(map(len, ranks)) == len(validation)
    assert all(equal(batch, validation[4 * at + rank]) for rank in range(4) for at, batch in enumerate(ranks[rank]))


def test_epochs(prepared: Prepared) -> None:
    source = quanci.open(prepared("nsp"))
    data = PretrainingDataset(source, **OPTIONS)
    passes = []
    for epoch in range(4):
        data.set_epoch(epoch)
        passes.append(keys(data))
        assert len(passes[-1]) == len(data)
        files = {file for _, file, _ in passes[-1][8:-8]}
        assert {source.manifest["shards"][file]["copy"] for file in files} == {epoch % 2}
    assert passes[0] != passes[2]
    # One after the other, they are the stream that never ends; and epochs=2 is two of them.
    endless = PretrainingDataset(source, epochs=None, **OPTIONS)
    joined = [key for of_epoch in passes for key in of_epoch]
    assert [row.key for row, _ in zip(endless, joined)] == joined
    assert keys(PretrainingDataset(source, epoch=1, epochs=2, **OPTIONS)) == passes[1] + passes[2]
    with pytest.raises(TypeError, match="no length"):
        len(endless)


def test_nearly_every_row_comes_once(prepared: Prepared) -> None:
    source = quanci.open(prepared("nsp-dynamic"))
    found = keys(PretrainingDataset(source, **OPTIONS))
    first = found[: len(source)]
    assert len(set(first)) >= len(source) - 8 * 2, "but for less than a lane's share and a batch"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_on_from_any_row(prepared: Prepared, split: str) -> None:
    make = partial(PretrainingDataset, prepared("nsp-dynamic"), split=split, epochs=2, **OPTIONS)
    all_rows = keys(make())
    for taken in (0, 1, 8, 9, 50, len(all_rows) - 1, len(all_rows)):
        data = make()
        rows = iter(data)
        assert [next(rows).key for _ in range(taken)] == all_rows[:taken]
        state = pickle.loads(pickle.dumps(data.state_dict()))
        resumed = make()
        resumed.load_state_dict(state)
        assert resumed.state_dict() == state
        assert keys(resumed) == all_rows[taken:], taken
        assert keys(resumed) == all_rows, "and the pass after it is a whole one"


def test_a_state_goes_on_with_workers(prepared: Prepared) -> None:
    make = partial(PretrainingDataset, prepared("nsp-dynamic"), global_batch=16, **OPTIONS)
    alone = list(batches(make(), 0))
    for taken in (1, 10, 11):
        data = make()
        loader = batches(data, 0)
        for _ in range(taken):
            next(loader)
        for state in (data.state_dict(), make().state_at(taken)):
            for workers in (0, 2, 3):
                resumed = make()
                resumed.load_state_dict(state)
                assert all(map(equal, batches(resumed, workers), alone[taken:]))
    data = make()
    next(iter(data))
    resumed = make()
    resumed.load_state_dict(data.state_dict())
    with pytest.raises(quanci.SettingsError, match="within a batch"):
        next(batches(resumed, 2))


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_torchdata_goes_on_in_mid_epoch(prepared: Prepared, workers: int) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def loader() -> Any:
        data = PretrainingDataset(prepared("nsp-dynamic"), global_batch=32, **OPTIONS)
        return stateful.StatefulDataLoader(data, batch_size=8, num_workers=workers, collate_fn=collate)

    alone = list(loader())
    for taken in (1, 13, len(alone) - 1):
        first = loader()
        rows = iter(first)
        for _ in range(taken):
            next(rows)
        resumed = loader()
        resumed.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
        found = list(resumed)
        assert len(found) == len(alone) - taken and all(map(equal, found, alone[taken:]))
        again = list(resumed)
        assert len(again) == len(alone) and all(map(equal, again, alone))


def test_masks_of_ones_own(prepared: Prepared) -> None:
    masking = {"mode": "dynamic", "unit": "piece", "prob": 0.3, "max_predictions": 40}
    source = quanci.open(prepared("nsp"))
    rows = [row for row, _ in zip(PretrainingDataset(source, masking=masking, **OPTIONS), range(64))]
    share = sum(len(row.masked_lm_positions) for row in rows) / sum(map(len, rows))
    assert 0.25 < share < 0.31
    files = [i for i, s in enumerate(source.manifest["shards"]) if (s["split"], s["copy"]) == ("train", 0)]
    for row in rows:
        _, file, number = row.key
        before = sum(source.manifest["shards"][f]["rows"] for f in files if f < file)
        assert row.masked_lm_positions == source.draw_masks(before + number, seed=7, epoch=0, masking=masking)[0]


def test_mixtures(prepared: Prepared) -> None:
    data = PretrainingDataset({prepared("nsp"): 3.0, prepared("nsp-dynamic"): 1.0}, **OPTIONS)
    sets = [data_set for data_set, _, _ in keys(data)]
    assert abs(sets.count(1) / len(sets) - 0.25) < 0.02
    with pytest.raises(quanci.InputOutputError, match="objective"):
        PretrainingDataset({prepared("nsp"): 1.0, prepared("mlm-dynamic"): 1.0}, **OPTIONS)


def test_what_does_not_go_together(prepared: Prepared, tmp_path: Path) -> None:
    make = partial(PretrainingDataset, prepared("nsp"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 8, "global_batch": 20}, "`global_batch` = 20 is no multiple of `batch_size` = 8"),
        ({"lanes": 8, "world_size": 3, "batch_size": 1}, "3 ranks cannot share `lanes` = 8 evenly: take 9 lanes"),
        ({"lanes": 60_000}, "`lanes` = 60000, but"),
        ({"masking": {"probability": 1}}, "`masking.probability` is unknown"),
        ({"masking": {"prob": 2.0, "mode": "dynamic"}}, "`masking.prob` is 2; it must lie between 0.001 and 0.9"),
        ({"masking": {"prob": 0.2}}, 'needs mode = "dynamic"'),
        ({"rank": 2, "world_size": 2}, "`rank` = 2 of `world_size` = 2"),
        ({"epoch": -1}, "`epoch` must be at least 0"),
        ({"split": "test"}, "`split` must be"),
    ]
    for options, words in cases:
        with pytest.raises(quanci.SettingsError) as raised:
            make(**options)
        assert words in str(raised.value), raised.value
    with pytest.raises(quanci.InputOutputError, match="no finished data set"):
        PretrainingDataset(tmp_path)
    state = make(**OPTIONS).state_dict()
    for changed in ({"seed": 8}, {"lanes": 4}):
        other = {**OPTIONS, **changed}
        with pytest.raises(quanci.SettingsError, match="another order of rows"):
            make(**other).load_state_dict(state)
    with pytest.raises(quanci.SettingsError, match="another order of rows"):
        PretrainingDataset(prepared("nsp-dynamic"), **OPTIONS).load_state_dict(state)
    with pytest.raises(quanci.SettingsError, match="not a state"):
        make(**OPTIONS).load_state_dict({})


def test_damage_is_told(prepared: Prepared, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(prepared("nsp"), tmp_path / "data")
    shard = sorted((tmp_path / "data").glob("copy-00/*.parquet"))[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(quanci.InputOutputError, match=f"{shard.name}: damaged: its SHA-256"):
        list(PretrainingDataset(tmp_path / "data", **OPTIONS))
    with pytest.raises(quanci.InputOutputError, match="damaged: its SHA-256"):
        list(batches(PretrainingDataset(tmp_path / "data", **OPTIONS), 2))


def test_spawned_workers(prepared: Prepared) -> None:
    data = PretrainingDataset(prepared("nsp-dynamic"), **OPTIONS)
    alone = list(batches(data, 0))
    assert all(map(equal, batches(data, 2, multiprocessing_context="spawn"), alone))
