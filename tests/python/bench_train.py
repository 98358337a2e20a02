"""Training steps beside Hugging Face: `tests/python/compare.sh bench [--model mini] [--rows 32] [--steps 10] [--rounds 3]`.

The same rows (the data set's static masks), the same shape, fp32, AdamW and clipping, on the CPU with the same number of
threads; programs take turns. Prints CPU-seconds a step, the best of the rounds:
  quanci-train                      the vocabulary projection and the last layer at masked pieces alone
  BertForPreTraining                as transformers computes it: every position goes through the vocabulary
  BertForPreTraining, gathered      the same with masked positions gathered before the head
Asserts nothing: numbers differ from machine to machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAIN = os.environ.get("QUANCI_TRAIN", ROOT / "target/release/quanci-train")


def batches(data, rows):
    import pyarrow.parquet as pq
    import torch

    table = pq.read_table(sorted((data / "copy-00").glob("*.parquet"))[0]).to_pylist()
    at = 0
    while True:
        some = [table[(at + i) % len(table)] for i in range(rows)]
        at += rows
        width = -(-max(len(row["input_ids"]) for row in some) // 8) * 8
        ids, types, mask = (torch.zeros(rows, width, dtype=torch.long) for _ in range(3))
        labels = torch.full((rows, width), -100)
        for i, row in enumerate(some):
            pieces = torch.tensor(row["input_ids"])
            positions = torch.tensor(row["masked_lm_positions"])
            ids[i, : len(pieces)] = pieces
            labels[i, positions] = pieces[positions]
            ids[i, positions] = torch.tensor(row["masked_lm_inputs"])
            types[i, row["segment_b"] or len(pieces) : len(pieces)] = 1
            mask[i, : len(pieces)] = 1
        yield ids, types, mask, labels, torch.tensor([row["next_sentence_label"] for row in some])


def peer(options):
    """Runs in a process of its own, so that its CPU time is its own."""
    import time

    import torch
    from torch.nn.functional import cross_entropy
    from transformers import BertConfig, BertForPreTraining

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    model = BertForPreTraining(BertConfig.from_json_file(options.config)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, eps=1e-6, weight_decay=0.01, fused=True)
    source = batches(Path(options.data), options.rows)
    for step in range(options.warmup + options.steps):
        if step == options.warmup:
            used, begun = time.process_time(), time.perf_counter()
        ids, types, mask, labels, pairs = next(source)
        if options.peer == "gathered":
            hidden, pooled = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask, return_dict=False)[:2]
            chosen = labels != -100
            loss = cross_entropy(model.cls.predictions(hidden[chosen]), labels[chosen])
            loss = loss + cross_entropy(model.cls.seq_relationship(pooled), pairs)
        else:
            loss = model(input_ids=ids, token_type_ids=types, attention_mask=mask, labels=labels,
                         next_sentence_label=pairs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    print(json.dumps({"cpu": (time.process_time() - used) / options.steps,
                      "wall": (time.perf_counter() - begun) / options.steps}))


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ours(settings, options, steps):
    used = cpu_of_children()
    ran = subprocess.run([TRAIN, "bench", settings, "--steps", str(steps), "--warmup", str(options.warmup), "--threads",
                          str(options.threads), "--device", "cpu", "--json", "--quiet"],
                         check=True, capture_output=True, text=True)
    return cpu_of_children() - used, json.loads(ran.stdout.splitlines()[-1])["seconds_per_step"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", default=str(ROOT / "out/quickstart/shards"))
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer")
    parser.add_argument("--config")
    options = parser.parse_args()
    if options.peer:
        return peer(options)

    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        shape = json.loads((ROOT / f"configs/models/bert-{options.model}.json").read_text("utf-8"))
        vocabulary = json.loads((Path(options.data) / "manifest.json").read_text("utf-8"))["vocabulary"]
        shape["vocab_size"] = vocabulary["size"]
        (work / "model.json").write_text(json.dumps(shape), "utf-8")
        settings = work / "run.toml"
        settings.write_text(
            f'model = "model.json"\noutput = "run"\n[[phase]]\ndata = [{{ path = "{options.data}" }}]\nsteps = 1\n'
            f"global_batch = {options.rows}\nmicro_batch = {options.rows}\n[data]\nlanes = 1\nworkers = 1\n", "utf-8")
        found = {"quanci-train": [], "full": [], "gathered": []}
        for _ in range(options.rounds):
            # Twice as many steps less once as many: what starting costs falls out.
            once, _wall = ours(settings, options, options.steps)
            twice, wall = ours(settings, options, 2 * options.steps)
            found["quanci-train"].append(((twice - once) / options.steps, wall))
            for name in ["full", "gathered"]:
                command = [sys.executable, __file__, "--peer", name, "--config", str(work / "model.json"), "--data",
                           options.data, "--rows", str(options.rows), "--steps", str(options.steps), "--threads",
                           str(options.threads)]
                ran = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                found[name].append((ran["cpu"], ran["wall"]))
        best = {name: min(costs) for name, costs in found.items()}
        for name, (cpu, wall) in best.items():
            print(f"{name:<14} {cpu:.3f} CPU-s a step, {wall:.3f} s wall, {cpu / best['quanci-train'][0]:.2f}x ours")


if __name__ == "__main__":
    main()
