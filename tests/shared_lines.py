#!/usr/bin/env python3
"""What `clean.dedup_lines` leaves out of real text, and what it costs.

    python3 tests/shared_lines.py [--corpora DIR] [--program QUANCI] [found] [planted] [speed] [memory]

found:   lines of DIR/medium (../shared/corpora by default) that several documents have, for several settings, and a sample of
         them; checked against a count in Python.
planted: headers and footers of web sites put into real documents; how many of them are left, and how much real text went.
speed:   CPU time of all stages with and without it, by turns.
memory:  the peak of each stage for 16 MB of text, four times and sixteen times as much: other lines each time, then the same
         lines again and again.

Asserts nothing but that both counts agree. Standard library only, and zstd.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from near_duplicates import ROOT, documents, edited_fast, fold, measure, settings

STAGES = ["map", "layout", "lines", "reduce", "commit"]


def keys(documents, letters):
    return f"dedup_lines = {documents}\ndedup_line_letters = {letters}\n"


def prepare(program, folder, corpora, clean):
    measure(program, "prepare", settings(folder, "run", corpora, clean))
    counters = json.loads((folder / "run-out/manifest.json").read_text())["counters"]
    for end in ("out", "work"):
        shutil.rmtree(folder / f"run-{end}")
    return counters


def write(folder, found):
    for name, texts in found.items():
        (folder / name).write_text("\n\n".join(texts))


def found(program, texts, folder):
    write(folder, texts)
    holders = defaultdict(set)
    shown = {}
    unique = dict.fromkeys(text for of in texts.values() for text in of)
    for number, text in enumerate(unique):
        for line in text.split("\n"):
            key = fold(line)
            holders[key].add(number)
            shown.setdefault(key, line)
    print("| documents | letters | different lines | left out | of the tokens | documents with nothing left | counted in Python |")
    print("|---|---|---|---|---|---|---|")
    for least in (2, 3, 5):
        for letters in (8, 16, 32):
            counters = prepare(program, folder, list(texts), keys(least, letters))
            counts = counters["train"]["shared_lines"]
            share = counts["tokens"] / counters["read"]["pieces"]
            own = sum(1 for key, of in holders.items() if len(key) >= letters and len(of) >= least)
            print(
                f"| {least} | {letters} | {counters['shared_lines']} | {counts['lines']} | {share:.2%} | {counts['emptied']} | {own} |",
                flush=True,
            )
    draw = random.Random(1)
    for letters, most in ((8, 15), (16, 31), (32, 10**9)):
        lines = [key for key, of in holders.items() if letters <= len(key) <= most and len(of) >= 2]
        print(f"{letters} letters and more, {len(lines)} lines:")
        for key in draw.sample(sorted(lines), min(12, len(lines))):
            print(f"  {len(holders[key])} × {shown[key][:100]!r}")


def planted(program, texts, folder):
    """Junk lines around real documents, each site's with its own; numbers and dates differ from page to page."""
    draw = random.Random(3)
    chosen = draw.sample([text for of in texts.values() for text in of if len(text) >= 200], 4000)
    site = "您现在的位置是：{s}新闻网首页 > 国内新闻 > 第{n}页，今天是2024年{m}月{d}日"
    foot = "版权所有 {s}新闻网 未经书面授权禁止转载或建立镜像 京ICP备{n}号 联系电话010-{n}"
    share = "分享到：微信 微博 QQ空间　责任编辑：{s}　本文来源于网络，不代表本站观点，已被阅读{n}次"
    names = [c + d for c in "东南西北中" for d in "江河山海湖城原州"]
    pages, junk = [], 0
    for text in chosen:
        fill = dict(s=draw.choice(names), n=draw.randrange(10**6, 10**7), m=draw.randrange(1, 10), d=draw.randrange(1, 10))
        lines = [line.format(**fill) for line in (site, foot, share)]
        junk += len(lines)
        pages.append("\n".join([lines[0], text, *lines[1:]]))
    kept = len(names) * 3
    (folder / "plain").write_text("\n\n".join(chosen))
    (folder / "pages").write_text("\n\n".join(pages))
    before = prepare(program, folder, ["plain"], keys(2, 16))["train"]["shared_lines"]["lines"]
    counters = prepare(program, folder, ["pages"], keys(2, 16))
    out = counters["train"]["shared_lines"]["lines"] - before
    print(f"{junk} planted lines of {kept} kinds: {out} left out, {junk - out} stay; {before} lines of the documents themselves")


def speed(program, texts, folder):
    write(folder, texts)
    text = sum(len(text.encode()) for of in texts.values() for text in of) / 1e6
    costs = {"off": [], "on": []}
    for _ in range(5):
        for which in costs:
            path = settings(folder, "run", list(texts), keys(2, 16) if which == "on" else "")
            costs[which].append(measure(program, "prepare", path, "--threads", 1)[0])
            for end in ("out", "work"):
                shutil.rmtree(folder / f"run-{end}")
    ratio = statistics.median(on / off for off, on in zip(costs["off"], costs["on"]))
    print(f"prepare of {text:.0f} MB: {statistics.median(costs['off']):.2f} CPU-s without, ratio {ratio:.2f}")


def memory(program, texts, folder):
    draw = random.Random(2)
    texts = [text for of in texts.values() for text in of if len(text) < 20_000]
    draw.shuffle(texts)
    base, size = [], 0
    for text in texts:
        if size < 16e6:
            base.append(text)
            size += len(text.encode())
    letters = [c for text in base[:200] for c in text if c.isalpha()]
    print(f"| text | lines left out | {' | '.join(STAGES)} |\n|---|---|{'---|' * len(STAGES)}")
    for same in (False, True):
        for times in (1, 4, 16):
            corpus = folder / f"memory-{times}"
            corpus.mkdir(exist_ok=True)
            for copy in range(times):
                if same:
                    # Another last line, so that documents differ and nearly all of their lines are shared.
                    copies = [f"{text}\n第{copy}份" if copy else text for text in base]
                else:
                    copies = base if copy == 0 else [edited_fast(text, 0.5, draw, letters) for text in base]
                (corpus / f"{copy}.txt").write_text("\n\n".join(copies))
            path = settings(folder, corpus.name, [corpus.name], keys(2, 16), "task_mb = 16\n")
            measure(program, "plan", path, "-o", folder / "plan.json")
            peaks = []
            for stage in STAGES:
                run = ("run-task", "--plan", folder / "plan.json", "--stage", stage, "--index", 0, "--of", 1, "--threads", 1)
                peaks.append(measure(program, *run)[1])
            counters = json.loads((folder / f"{corpus.name}-out/manifest.json").read_text())["counters"]
            peaks = " | ".join(f"{peak:.0f} MB" for peak in peaks)
            lost = counters["train"].get("shared_lines", {}).get("lines", 0)
            print(f"| {times} × 16 MB, {counters['read']['documents']} documents | {lost} | {peaks} |", flush=True)
            for end in ("out", "work"):
                shutil.rmtree(folder / f"{corpus.name}-{end}")
            shutil.rmtree(corpus)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpora", type=Path, default=ROOT / "../shared/corpora")
    default = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/quanci"
    parser.add_argument("--program", type=Path, default=default)
    parser.add_argument("what", nargs="*", default=["found", "planted", "speed", "memory"])
    arguments = parser.parse_args()
    texts = documents(arguments.corpora)
    parts = {"found": found, "planted": planted, "speed": speed, "memory": memory}
    for name in arguments.what:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](arguments.program.resolve(), texts, Path(folder))


if __name__ == "__main__":
    main()
