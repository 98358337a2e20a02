#!/usr/bin/env python3
"""What a shuffle of many tiny splits costs: 10,000 files, each a map task of its own, into 256 buckets.

Usage: python3 tests/shuffle.py [--splits N] [--buckets N] [--folder DIR]

The plan is data: here it is cut into one task a file, as no plan of ours would be, so that what a task costs beside its
text can be seen. Then the same files run as quanci plans them, many to a task. Both data sets must have the same bytes.
Needs 3 GB in DIR (default: a temporary folder) and the release build of quanci.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUANCI = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "quanci"
STAGES = ["map", "layout", "reduce", "commit"]


def write_texts(folder: Path, splits: int, bytes_each: int) -> None:
    """Files of sentences of the samples in random order: every document is another one."""
    lines = []
    for path in sorted((ROOT / "corpora/samples/public-domain").glob("*.txt")):
        lines += [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 20]
    draw = random.Random(1)
    folder.mkdir()
    for i in range(splits):
        text, size = [], 0
        while size < bytes_each:
            line = draw.choice(lines)
            text.append(line)
            size += 3 * len(line)
        (folder / f"{i:06}.txt").write_text(f"{i}\n" + "\n".join(text) + "\n", encoding="utf-8")


def write_settings(folder: Path, name: str, buckets: int) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'vocab = "{ROOT}/tests/fixtures/google-zh-vocab.txt"\n'
        f'[[corpus]]\npaths = ["texts"]\nformat = "files"\n[masking]\nmode = "dynamic"\n'
        f'[output]\npath = "{name}/out"\nshards = {buckets}\nbucket_mb = 1\n',
        encoding="utf-8",
    )
    return path


def one_task_a_file(plan: dict) -> None:
    tasks = []
    for task in plan["map"]:
        for split in task["splits"]:
            key = hashlib.sha256(f"{task['key']} {split}".encode()).hexdigest()[:32]
            tasks.append({"corpus": task["corpus"], "splits": [split], "key": key})
    plan["map"] = tasks


def run(arguments: list, folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([QUANCI, *arguments, "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_plan(folder: Path, name: str, buckets: int, cut: bool) -> tuple[dict, int]:
    """CPU seconds of every stage, and the number of map tasks."""
    plan_path = folder / f"{name}.json"
    settings = write_settings(folder, name, buckets)
    wall, cpu = run(["plan", settings, "-o", plan_path], folder)
    print(f"{name:>8}: plan   {wall:7.1f} s wall {cpu:7.1f} CPU-s")
    plan = json.loads(plan_path.read_text(encoding="utf-8"))
    if cut:
        one_task_a_file(plan)
        plan_path.write_text(json.dumps(plan), encoding="utf-8")
    seconds = {}
    for stage in STAGES:
        wall, seconds[stage] = run(["run-task", "--plan", plan_path, "--stage", stage, "--index", "0", "--of", "1"], folder)
        print(f"{name:>8}: {stage:6} {wall:7.1f} s wall {seconds[stage]:7.1f} CPU-s")
    return seconds, len(plan["map"])


def sums(folder: Path) -> dict:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=10_000)
    parser.add_argument("--buckets", type=int, default=256)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_texts(folder / "texts", arguments.splits, 1_150_000 * arguments.buckets // arguments.splits)
        cut, cut_tasks = run_plan(folder, "cut", arguments.buckets, True)
        grouped, tasks = run_plan(folder, "grouped", arguments.buckets, False)
        shards = len(list((folder / "cut/out/copy-00").iterdir()))
        assert sums(folder / "cut/out") == sums(folder / "grouped/out"), "the bytes differ"
        print(f"the same bytes from {cut_tasks} map tasks and from {tasks}, in {shards} shards")
        more = cut_tasks - tasks
        print(f"a map task beside its text: {1e3 * (cut['map'] - grouped['map']) / more:.2f} CPU-ms")
        print(f"a part file in layout: {1e6 * (cut['layout'] - grouped['layout']) / more:.0f} CPU-us")
        pairs = more * shards
        print(f"a part file in a bucket ({pairs} of them): {1e6 * (cut['reduce'] - grouped['reduce']) / pairs:.1f} CPU-us")


if __name__ == "__main__":
    main()
