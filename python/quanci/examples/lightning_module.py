"""Lightning: python lightning_module.py out/data

Nothing tells the data set of a new epoch, so it never ends, and `max_steps` ends the run.
"""

import sys

import lightning
import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForPreTraining

import quanci
from quanci.torch import PretrainingDataset, collate

STEPS, BATCH = 6, 8


class Pretraining(lightning.LightningModule):
    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        self.model = BertForPreTraining(BertConfig(vocab_size=vocabulary_size, **shape))
        self.losses: list[float] = []

    def training_step(self, batch, index):
        loss = self.model(**batch).loss
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main(folder: str) -> list[float]:
    data = quanci.open(folder)
    module = Pretraining(len(data.vocabulary))
    rows = PretrainingDataset(data, batch_size=BATCH, global_batch=2 * BATCH, lanes=8, seed=1, epochs=None)
    trainer = lightning.Trainer(
        max_steps=STEPS, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(module, DataLoader(rows, batch_size=BATCH, num_workers=2, collate_fn=collate))
    return module.losses


if __name__ == "__main__":
    print(main(sys.argv[1]))
