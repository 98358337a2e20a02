"""Opens a data set folder and builds the batches that `BertForPreTraining` takes. docs/en/reading-shards.md shows this file."""

import json
from pathlib import Path

import numpy as np
from datasets import load_dataset


def open_shards(folder):
    return load_dataset(str(folder)), json.loads(Path(folder, "manifest.json").read_text("utf-8"))


def draw_masks(ids, word_starts, manifest, rng):
    """Whole words in random order, up to the budget; each token becomes [MASK], a random token, or stays."""
    masking, vocabulary = manifest["masking"], manifest["vocabulary"]
    cls, sep, mask = (vocabulary["specials"][name] for name in ("cls", "sep", "mask"))
    budget, chosen = min(masking["max_predictions"], max(1, round(len(ids) * masking["prob"]))), []
    words = np.split(np.arange(len(ids)), np.flatnonzero(word_starts)[1:])
    for word in (words[i] for i in rng.permutation(len(words))):
        if ids[word[0]] not in (cls, sep) and len(chosen) + len(word) <= budget:
            chosen.extend(word.tolist())
    tokens = np.setdiff1d(np.arange(vocabulary["size"]), vocabulary["reserved"])
    kinds = rng.choice(3, len(chosen), p=[masking["replace"][kind] for kind in ("mask", "random", "keep")])
    return chosen, [(mask, rng.choice(tokens), ids[at])[kind] for at, kind in zip(chosen, kinds)]


def make_batch(rows, manifest, rng):
    fill = {"input_ids": manifest["vocabulary"]["specials"]["pad"], "attention_mask": 0, "token_type_ids": 0, "labels": -100}
    batch = {name: np.full((len(rows), max(len(row["input_ids"]) for row in rows)), value) for name, value in fill.items()}
    for i, row in enumerate(rows):
        ids, length = row["input_ids"], len(row["input_ids"])
        positions, inputs = row["masked_lm_positions"], row["masked_lm_inputs"]
        if positions is None:  # dynamic masks: drawn anew in every epoch
            positions, inputs = draw_masks(ids, row["word_starts"], manifest, rng)
        batch["input_ids"][i, :length] = ids
        batch["input_ids"][i, positions] = inputs
        batch["labels"][i, positions] = [ids[at] for at in positions]
        batch["attention_mask"][i, :length] = 1
        if row["segment_b"] is not None:
            batch["token_type_ids"][i, row["segment_b"] : length] = 1
    if rows[0]["next_sentence_label"] is not None:
        batch["next_sentence_label"] = np.array([row["next_sentence_label"] for row in rows])
    return batch


class Collator:
    """Makes tensors of rows, for `DataLoader` and `Trainer`."""

    def __init__(self, manifest):
        self.manifest = manifest

    def __call__(self, rows):
        import torch  # all else needs numpy alone

        # From torch's generator, which it seeds anew for each worker and epoch: one of our own would be copied into every
        # worker, and all of them would draw the same masks, in every epoch.
        rng = np.random.default_rng(torch.randint(2**62, ()).item())
        return {name: torch.from_numpy(array) for name, array in make_batch(rows, self.manifest, rng).items()}
