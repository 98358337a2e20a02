"""The README's batch: what the model sees, and what it has to guess."""

import re

import numpy as np
import pytest
from batch import Collator, draw_masks, make_batch, open_shards
from conftest import ROOT


def torch_or_skip():
    return pytest.importorskip("torch", reason="torch is not installed: .venv/bin/pip install torch accelerate")


def rows_of(data_set, split="train", count=256):
    splits, manifest = open_shards(data_set.folder)
    return splits[split].select(range(min(count, len(splits[split])))).to_list(), manifest


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_batch_has_its_shape_and_padding(data_set, split):
    rows, manifest = rows_of(data_set, split)
    batch = make_batch(rows, manifest, np.random.default_rng(1))
    shape = (len(rows), max(len(row["input_ids"]) for row in rows))
    tensors = ["input_ids", "attention_mask", "token_type_ids", "labels"]
    assert all(batch[name].shape == shape and batch[name].dtype == np.int64 for name in tensors)
    assert ("next_sentence_label" in batch) == (manifest["objective"] != "mlm")
    for i, row in enumerate(rows):
        n = len(row["input_ids"])
        assert batch["attention_mask"][i].tolist() == [1] * n + [0] * (shape[1] - n)
        assert (batch["input_ids"][i, n:] == manifest["vocabulary"]["specials"]["pad"]).all()
        assert (batch["labels"][i, n:] == -100).all()
        b = n if row["segment_b"] is None else row["segment_b"]
        assert batch["token_type_ids"][i].tolist() == [0] * b + [1] * (n - b) + [0] * (shape[1] - n)
        if "next_sentence_label" in batch:
            assert batch["next_sentence_label"][i] == row["next_sentence_label"]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_inputs_and_labels(data_set, split):
    """Masked positions carry the original as label; all others are what they were, and no label."""
    rows, manifest = rows_of(data_set, split)
    batch = make_batch(rows, manifest, np.random.default_rng(2))
    for i, row in enumerate(rows):
        ids = np.array(row["input_ids"])
        inputs, labels = batch["input_ids"][i, : len(ids)], batch["labels"][i, : len(ids)]
        masked = labels != -100
        assert (labels[masked] == ids[masked]).all()
        assert (inputs[~masked] == ids[~masked]).all()
        if row["masked_lm_positions"] is not None:
            assert np.flatnonzero(masked).tolist() == row["masked_lm_positions"]
            assert inputs[masked].tolist() == row["masked_lm_inputs"]
        assert masked.any() or not any(fits(word, ids, manifest) for word in words_of(row)), "an unmasked row"


def words_of(row):
    starts = [*np.flatnonzero(row["word_starts"]), len(row["input_ids"])]
    return [range(a, b) for a, b in zip(starts, starts[1:])]


def fits(word, ids, manifest):
    specials = manifest["vocabulary"]["specials"]
    return ids[word[0]] not in (specials["cls"], specials["sep"]) and len(word) <= budget(ids, manifest)


def budget(ids, manifest):
    masking = manifest["masking"]
    return min(masking["max_predictions"], max(1, round(len(ids) * masking["prob"])))


@pytest.mark.parametrize("kind", ["nsp-dynamic", "mlm-dynamic"])
def test_dynamic_masks_are_whole_words_within_the_budget(prepared, kind):
    rows, manifest = rows_of(prepared(kind))
    rng, counts = np.random.default_rng(3), np.zeros(3)
    specials, reserved = manifest["vocabulary"]["specials"], set(manifest["vocabulary"]["reserved"])
    for row in rows * 4:
        ids = row["input_ids"]
        positions, inputs = draw_masks(ids, row["word_starts"], manifest, rng)
        chosen = set(positions)
        assert len(positions) == len(inputs) == len(chosen) <= budget(ids, manifest)
        for word in words_of(row):
            assert len(chosen.intersection(word)) in (0, len(word)), "a word is cut"
        left = budget(ids, manifest) - len(chosen)
        skipped = [w for w in words_of(row) if not chosen.intersection(w) and fits(w, ids, manifest)]
        assert all(len(word) > left for word in skipped), "there was room for one more word"
        for at, seen in zip(positions, inputs):
            assert ids[at] not in (specials["cls"], specials["sep"])
            kind = 0 if seen == specials["mask"] else 2 if seen == ids[at] else 1
            assert kind != 1 or (seen not in reserved and 0 <= seen < manifest["vocabulary"]["size"])
            counts[kind] += 1
    assert counts.sum() > 10_000
    assert np.abs(counts / counts.sum() - [0.8, 0.1, 0.1]).max() < 0.02, counts


def test_every_word_has_its_turn(prepared):
    rows, manifest = rows_of(prepared("nsp-dynamic"), count=1)
    ids, starts, rng = rows[0]["input_ids"], rows[0]["word_starts"], np.random.default_rng(7)
    chosen = {at for _ in range(300) for at in draw_masks(ids, starts, manifest, rng)[0]}
    assert chosen == {at for word in words_of(rows[0]) if fits(word, np.array(ids), manifest) for at in word}


def test_masks_differ_from_draw_to_draw(prepared):
    rows, manifest = rows_of(prepared("mlm-dynamic"), count=8)
    rng = np.random.default_rng(4)
    first, second = make_batch(rows, manifest, rng), make_batch(rows, manifest, rng)
    assert (first["labels"] != second["labels"]).any()
    again = make_batch(rows, manifest, np.random.default_rng(4))
    assert all((first[name] == again[name]).all() for name in first)


def test_a_row_whose_words_exceed_the_budget():
    manifest = {
        "masking": {"prob": 0.15, "max_predictions": 20, "replace": {"mask": 0.8, "random": 0.1, "keep": 0.1}},
        "vocabulary": {"specials": {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}, "reserved": [0, 1, 2, 3, 4], "size": 9},
    }
    row = {"input_ids": [2, 5, 6, 3], "word_starts": [True, True, False, True], "segment_b": None, "next_sentence_label": None}
    batch = make_batch([row | {"masked_lm_positions": None, "masked_lm_inputs": None}], manifest, np.random.default_rng(5))
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3]] and (batch["labels"] == -100).all()


def test_bert_takes_the_batch(data_set):
    torch = torch_or_skip()
    from transformers import BertConfig, BertForPreTraining

    rows, manifest = rows_of(data_set, count=16)
    batch = make_batch(rows, manifest, np.random.default_rng(6))
    batch.setdefault("next_sentence_label", np.zeros(len(rows), dtype=np.int64))
    torch.manual_seed(1)
    size = manifest["vocabulary"]["size"]
    config = BertConfig(vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    output = BertForPreTraining(config)(**{name: torch.from_numpy(array) for name, array in batch.items()})
    # A random model guesses evenly: ln V for the piece, ln 2 for the pair.
    assert abs(output.loss.item() - np.log(size) - np.log(2)) < 0.5
    output.loss.backward()


def test_masks_differ_by_worker_and_epoch(prepared):
    """The same row again and again: a generator that is copied into the workers would mask it alike in all of them."""
    torch = torch_or_skip()
    rows, manifest = rows_of(prepared("mlm-dynamic"), count=1)
    loader = torch.utils.data.DataLoader(rows * 8, batch_size=1, num_workers=2, collate_fn=Collator(manifest))
    torch.manual_seed(1)
    epochs = [[tuple(batch["labels"][0].tolist()) for batch in loader] for _ in range(3)]
    drawn = [labels for epoch in epochs for labels in epoch]
    assert len(set(drawn)) == len(drawn), "masks come again"
    torch.manual_seed(1)
    assert [tuple(batch["labels"][0].tolist()) for batch in loader] == epochs[0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_examples_run_as_they_are_shown(prepared, language, tmp_path, monkeypatch):
    """But for the path of the data set, the model's size and the number of steps."""
    torch_or_skip()
    pytest.importorskip("accelerate", reason="accelerate is not installed: .venv/bin/pip install accelerate")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / f"docs/{language}/reading-shards.md").read_text("utf-8")
    examples = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import Collator" in code]
    assert len(examples) == 2
    small = "hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, vocab_size="
    for code in examples:
        folder = str(prepared("nsp-dynamic").folder)
        code = code.replace('"out/clue-128"', repr(folder)).replace("vocab_size=", small)
        code = code.replace("max_steps=10_000", "max_steps=3, use_cpu=True").replace("batch_size=32", "batch_size=4")
        names = {"__name__": "example"}
        exec(compile(code, f"docs/{language}/reading-shards.md", "exec"), names)
        loader = names["loader"] if "loader" in names else names["trainer"].get_train_dataloader()
        first = next(iter(loader))
        assert {"input_ids", "labels", "next_sentence_label"} <= set(first)
    assert names["trainer"].state.global_step == 3
    assert names["trainer"].evaluate()["eval_loss"] > 0


def test_masks_differ_by_epoch_in_trainer(prepared, tmp_path):
    torch_or_skip()
    pytest.importorskip("accelerate", reason="accelerate is not installed: .venv/bin/pip install accelerate")
    from transformers import BertConfig, BertForMaskedLM, Trainer, TrainingArguments

    rows, manifest = rows_of(prepared("mlm-dynamic"), count=1)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertForMaskedLM(BertConfig(vocab_size=manifest["vocabulary"]["size"], **shape))
    seen = []

    class Watched(Trainer):
        def training_step(self, model, inputs, *rest):
            seen.append(tuple(inputs["labels"][0].tolist()))
            return super().training_step(model, inputs, *rest)

    arguments = TrainingArguments(
        str(tmp_path), num_train_epochs=3, per_device_train_batch_size=1, dataloader_num_workers=2, use_cpu=True,
        remove_unused_columns=False, report_to=[], save_strategy="no",
    )
    Watched(model, arguments, train_dataset=rows * 4, data_collator=Collator(manifest)).train()
    assert len(seen) == 12 and len(set(seen)) == 12, "masks come again"
