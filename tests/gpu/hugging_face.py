"""Steps of transformers' BertForPreTraining over a quanci data set, timed: what `quanci-train bench` is measured beside.

The same model, the same rows, the same gather of masked tokens before the vocabulary projection, bf16 autocast with fp32
weights, SDPA, fused AdamW, clipping; `torch.compile` where asked for. Rows are padded to the longest of the data set, so
that shapes do not change. Prints one line of JSON; tokens are real ones, padding is not counted.

    python hugging_face.py DATA CONFIG.json --micro-batch 256 [--compile] [--device cuda] [--steps 20]
"""

import argparse
import json
import pathlib
import time

import pyarrow.parquet as parquet
import torch
from transformers import BertConfig, BertForPreTraining


def rows(data, count):
    """Token ids and B's start of the first rows."""
    manifest = json.loads((pathlib.Path(data) / "manifest.json").read_text())
    taken = []
    for shard in manifest["shards"]:
        if shard["split"] != "train":
            continue
        table = parquet.read_table(pathlib.Path(data) / shard["path"], columns=["input_ids", "segment_b"])
        taken += list(zip(table["input_ids"].to_pylist(), table["segment_b"].to_pylist()))
        if len(taken) >= count:
            break
    return taken[:count], manifest


def batches(taken, width, size, device):
    """Padded batches, 15 % of the tokens masked; the same number in each, so that nothing is compiled twice."""
    generator = torch.Generator().manual_seed(1)
    for start in range(0, len(taken) - size + 1, size):
        part = taken[start : start + size]
        ids = torch.zeros(size, width, dtype=torch.long)
        segments, attention = torch.zeros_like(ids), torch.zeros_like(ids)
        for i, (row, b) in enumerate(part):
            ids[i, : len(row)] = torch.tensor(row)
            attention[i, : len(row)] = 1
            if b is not None:
                segments[i, b : len(row)] = 1
        tokens = int(attention.sum())
        real = attention.flatten().nonzero().flatten()
        masked = real[torch.randperm(len(real), generator=generator)[: int(0.15 * 0.75 * size * width)]].sort().values
        labels = ids.flatten()[masked]
        pairs = torch.randint(0, 2, (size,), generator=generator)
        moved = [x.to(device) for x in (ids, segments, attention, masked, labels, pairs)]
        yield (*moved, tokens)


def forward(model, ids, segments, attention, masked, labels, pairs):
    hidden, pooled = model.bert(ids, attention_mask=attention, token_type_ids=segments, return_dict=False)
    chosen = hidden.flatten(0, 1).index_select(0, masked)
    scores = model.cls.predictions(chosen)
    loss = torch.nn.functional.cross_entropy(scores.float(), labels)
    return loss + torch.nn.functional.cross_entropy(model.cls.seq_relationship(pooled).float(), pairs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("config")
    parser.add_argument("--micro-batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high" if args.precision == "bf16" else "highest")
    config = BertConfig.from_json_file(args.config)
    config._attn_implementation = "sdpa"
    model = BertForPreTraining(config).to(args.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    count = args.micro_batch * min(args.steps + args.warmup, 16)
    taken, manifest = rows(args.data, count)
    width = -(-max(len(row) for row, _ in taken) // 8) * 8
    made = list(batches(taken, width, args.micro_batch, args.device))
    compute = torch.compile(forward) if args.compile else forward
    synchronize = torch.cuda.synchronize if args.device == "cuda" else lambda: None

    def step(batch):
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            loss = compute(model, *batch[:-1])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    for i in range(args.warmup):
        step(made[i % len(made)])
    synchronize()
    begun, cpu, tokens = time.perf_counter(), time.process_time(), 0
    for i in range(args.steps):
        batch = made[i % len(made)]
        loss = step(batch)
        tokens += batch[-1]
    synchronize()
    seconds = time.perf_counter() - begun
    print(json.dumps({
        "what": "transformers" + (" + torch.compile" if args.compile else ""),
        "tokens_per_second": tokens / seconds,
        "tokens_per_cpu_second": tokens / (time.process_time() - cpu),
        "seconds_per_step": seconds / args.steps,
        "rows_per_second": args.steps * args.micro_batch / seconds,
        "loss": float(loss.detach()),
        "memory_peak_bytes": torch.cuda.max_memory_allocated() if args.device == "cuda" else None,
    }))


if __name__ == "__main__":
    main()
