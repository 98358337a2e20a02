"""transformers' Trainer: python transformers_trainer.py out/data"""

import sys
import tempfile

from transformers import BertConfig, BertForPreTraining, Trainer, TrainingArguments

import quanci
from quanci.torch import PretrainingDataset, collate

STEPS, BATCH = 6, 8


def main(folder: str) -> list[float]:
    data = quanci.open(folder)
    config = BertConfig(vocab_size=len(data.vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH,
        dataloader_num_workers=2,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )
    trainer = Trainer(
        BertForPreTraining(config),
        arguments,
        data_collator=collate,
        train_dataset=PretrainingDataset(data, batch_size=BATCH, global_batch=2 * BATCH, lanes=8, seed=1),
        eval_dataset=PretrainingDataset(data, split="validation", batch_size=BATCH),
    )
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line] + [trainer.evaluate()["eval_loss"]]


if __name__ == "__main__":
    print(main(sys.argv[1]))
