"""A loop with accelerate: accelerate launch accelerate_loop.py out/data

Each process deals its own rows, so the loader is not given to `prepare`, which would divide them once more.
"""

import sys

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForPreTraining

import quanci
from quanci.torch import PretrainingDataset, collate

STEPS, BATCH = 6, 8


def main(folder: str) -> list[float]:
    accelerator = Accelerator(cpu=True)
    data = quanci.open(folder)
    config = BertConfig(vocab_size=len(data.vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    model = BertForPreTraining(config)
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=1e-3))
    rows = PretrainingDataset(
        data,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        batch_size=BATCH,
        global_batch=2 * BATCH * accelerator.num_processes,
        lanes=8,
        seed=1,
    )
    losses = []
    for step, batch in enumerate(DataLoader(rows, batch_size=BATCH, num_workers=2, collate_fn=collate)):
        batch = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
        loss = model(**batch).loss
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step + 1 == STEPS:
            break
    return losses


if __name__ == "__main__":
    print(main(sys.argv[1]))
