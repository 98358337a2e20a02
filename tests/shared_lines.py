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
import re
import shutil
import statistics
import tempfile
import unicodedata
from collections import defaultdict
from pathlib import Path

from near_duplicates import ROOT, documents, edited_fast, measure, peaks, settings, sixteen_megabytes

STAGES = ["map", "layout", "lines", "reduce", "commit"]


def key(line):
    """Letters and numbers, as quanci compares them, but for what is rare. Hanzi such as 一 are letters."""
    text = (c for c in unicodedata.normalize("NFKC", line).lower() if c.isalnum())
    return re.sub("0+", "0", "".join("0" if unicodedata.category(c)[0] == "N" else c for c in text))


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
    # Documents that differ in white space alone are one.
    unique = {"".join(text.split()): text for of in texts.values() for text in of}
    for number, text in enumerate(unique.values()):
        for line in text.split("\n"):
            holders[key(line)].add(number)
            shown.setdefault(key(line), line)
    print("| documents | letters | different lines | left out | of the tokens | documents with nothing left | counted in Python |")
    print("|---|---|---|---|---|---|---|")
    for least in (2, 3, 5):
        for letters in (8, 16, 32):
            counters = prepare(program, folder, list(texts), keys(least, letters))
            counts = counters["train"]["shared_lines"]
            share = counts["tokens"] / counters["read"]["pieces"]
            own = sum(1 for line, of in holders.items() if len(line) >= letters and len(of) >= least)
            print(
                f"| {least} | {letters} | {counters['shared_lines']} | {counts['lines']} | {share:.2%} | {counts['emptied']} | {own} |",
                flush=True,
            )
    draw = random.Random(1)
    for letters, most in ((8, 15), (16, 31), (32, 10**9)):
        lines = [line for line, of in holders.items() if letters <= len(line) <= most and len(of) >= 2]
        print(f"{letters} letters and more, {len(lines)} lines:")
        for line in draw.sample(sorted(lines), min(12, len(lines))):
            print(f"  {len(holders[line])} × {shown[line][:100]!r}")


def planted(program, texts, folder):
    """Junk lines around real documents without shared lines of their own, other ones for each site; numbers and dates differ from page to page."""
    draw = random.Random(3)
    chosen = draw.sample([text for of in texts.values() for text in of if len(text) >= 200], 4000)
    holders = defaultdict(set)
    for number, text in enumerate(chosen):
        for line in text.split("\n"):
            holders[key(line)].add(number)
    own = ["\n".join(line for line in text.split("\n") if len(holders[key(line)]) == 1) for text in chosen]
    own = [text for text in own if text]
    junk = [
        "您现在的位置是：{s}新闻网首页 > 国内新闻 > 第{n}页，今天是2024年{m}月{d}日",
        "版权所有 {s}新闻网 未经书面授权禁止转载或建立镜像 京ICP备{n}号 联系电话010-{n}",
        "分享到：微信 微博 QQ空间　责任编辑：{s}　本文来源于网络，不代表本站观点，已被阅读{n}次",
    ]
    names = [c + d for c in "东南西北中" for d in "江河山海湖城原州"]
    pages = []
    for text in own:
        fill = dict(s=draw.choice(names), n=draw.randrange(1, 10**7), m=draw.randrange(1, 13), d=draw.randrange(1, 32))
        head, *foot = [line.format(**fill) for line in junk]
        pages.append("\n".join([head, text, *foot]))
    (folder / "pages").write_text("\n\n".join(pages))
    counters = prepare(program, folder, ["pages"], keys(2, 16))
    lines = sum(text.count("\n") + 1 for text in own)
    print(
        f"{len(pages) * len(junk)} planted lines of {len(names) * len(junk)} kinds beside {lines} lines of real text: "
        f"{counters['shared_lines']} kinds found, {counters['train']['shared_lines']['lines']} lines left out"
    )


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
    base, letters = sixteen_megabytes(texts)
    draw = random.Random(2)
    print(f"| text | lines left out | {' | '.join(STAGES)} |\n|---|---|{'---|' * len(STAGES)}")
    for same in (False, True):
        for times in (1, 4, 16):
            # Another last line, so that documents differ and nearly all of their lines are shared; or other text.
            again = (lambda text, copy: f"{text}\n第{copy}份") if same else (lambda text, _: edited_fast(text, 0.5, draw, letters))
            copies = [base] + [[again(text, copy) for text in base] for copy in range(1, times)]
            counters, cells = peaks(program, folder, copies, keys(2, 16), STAGES)
            lost = counters["train"].get("shared_lines", {}).get("lines", 0)
            print(f"| {times} × 16 MB, {counters['read']['documents']} documents | {lost} | {cells} |", flush=True)


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
