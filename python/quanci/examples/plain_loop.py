"""A plain loop over a data set: python plain_loop.py out/data"""

import sys

import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForPreTraining

import quanci
from quanci.torch import PretrainingDataset, collate

STEPS, BATCH = 6, 8


def main(folder: str) -> list[float]:
    data = quanci.open(folder)
    config = BertConfig(vocab_size=len(data.vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    model = BertForPreTraining(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rows = PretrainingDataset(data, batch_size=BATCH, global_batch=2 * BATCH, lanes=8, seed=1)
    losses = []
    for step, batch in enumerate(DataLoader(rows, batch_size=BATCH, num_workers=2, collate_fn=collate)):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step + 1 == STEPS:
            break
    return losses


if __name__ == "__main__":
    print(main(sys.argv[1]))
