#!/usr/bin/env python3
"""What `clean.near_duplicates` finds in real text, and what it costs.

    python3 tests/near_duplicates.py [--corpora DIR] [--program QUANCI] [recall] [joined] [speed] [memory]

recall: 1,000 documents of DIR/medium (../shared/corpora by default) beside copies with 5, 10 and 20 % of their letters replaced; how
        many are found, and how many theory predicts from the exact Jaccard similarity of each pair.
joined: documents of the whole corpora that are joined, and a sample of the pairs.
speed:  CPU time of map with and without signatures, by turns.
memory: the peak of each stage for 16 MB of text, four times and sixteen times as much: once without near-duplicates, once with
        a slightly edited copy of everything each time.

Asserts nothing. Standard library only, and zstd.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VOCABULARY = ROOT / "tests/fixtures/google-zh-vocab.txt"
STAGES = ["map", "layout", "bands", "clusters", "reduce", "commit"]
LAUNCHER = """
import json, os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def measure(program, *arguments):
    """CPU seconds and the peak of memory in MB."""
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(program), *map(str, arguments), "--quiet"]
    status, cpu, peak = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, arguments))}")
    return cpu, peak


def opened(path):
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    return path.read_bytes()


def documents(corpora):
    """All documents of the medium corpora, by the name of their file."""
    found = {}
    for path in sorted((corpora / "medium").iterdir()):
        text = opened(path).decode("utf-8", "replace")
        if ".jsonl" in path.name:
            texts = [json.loads(line)["text"].replace("\r", "") for line in text.split("\n") if line.strip()]
        else:
            texts = [text for text in text.replace("\r", "").split("\n\n") if text.strip()]
        # A line of white space would end a document.
        texts = ["\n".join(line for line in text.split("\n") if line.strip()) for text in texts]
        found[path.name.split(".")[0]] = [text for text in texts if text]
    return found


def fold(text):
    """Letters and digits, as quanci compares them, but for what is rare."""
    text = unicodedata.normalize("NFKC", text).lower()
    return "".join("0" if c.isnumeric() else c for c in text if c.isalnum())


def edited(text, share, draw, letters):
    return "".join(draw.choice(letters) if c.isalpha() and draw.random() < share else c for c in text)


def jaccard(a, b, n):
    a, b = fold(a), fold(b)
    a, b = ({text[i : i + n] for i in range(len(text) - n + 1)} for text in (a, b))
    return len(a & b) / max(1, len(a | b))


def settings(folder, name, corpora, near, more=""):
    path = folder / f"{name}.toml"
    tables = "".join(f'[[corpus]]\nname = "{corpus}"\nformat = "paragraphs"\npaths = ["{corpus}"]\n' for corpus in corpora)
    path.write_text(
        f'vocab = "{VOCABULARY}"\n{tables}[clean]\n{near}[instances]\nobjective = "mlm"\ncopies = 1\n'
        f'[masking]\nmode = "dynamic"\n[output]\npath = "{name}-out"\nwork = "{name}-work"\n{more}'
    )
    return path


def keys(ngram, bands, rows):
    return (
        f"near_duplicates = true\nnear_duplicate_ngram = {ngram}\nnear_duplicate_bands = {bands}\nnear_duplicate_rows = {rows}\n"
    )


def prepare(program, folder, name, corpora, near):
    path = settings(folder, name, corpora, near)
    measure(program, "prepare", path)
    counters = json.loads((folder / f"{name}-out/manifest.json").read_text())["counters"]
    shown = [json.loads(line) for line in (folder / f"{name}-out/near-duplicates.jsonl").read_text().split("\n") if line]
    for end in ("out", "work"):
        shutil.rmtree(folder / f"{name}-{end}")
    return counters, shown


def dropped(counters):
    return counters["dropped"]["counts"].get("near_duplicate", 0)


def recall(program, found, folder):
    draw = random.Random(1)
    long = [text for texts in found.values() for text in texts if 200 <= len(fold(text)) <= 20_000]
    chosen = draw.sample(long, 1000)
    letters = [c for text in chosen[:200] for c in text if c.isalpha()]
    (folder / "originals").write_text("\n\n".join(chosen))
    print("| n | bands × rows | edited | mean J | predicted | measured |\n|---|---|---|---|---|---|")
    copies = {}
    for share in (0.02, 0.05, 0.1, 0.2):
        copies[share] = [edited(text, share, draw, letters) for text in chosen]
        (folder / f"edited-{share}").write_text("\n\n".join(copies[share]))
    for n, bands, rows in ((3, 14, 8), (5, 14, 8), (8, 14, 8), (13, 14, 8), (5, 20, 5), (5, 40, 3)):
        near = keys(n, bands, rows)
        alone = dropped(prepare(program, folder, "alone", ["originals"], near)[0])
        for share, texts in copies.items():
            j = [jaccard(a, b, n) for a, b in zip(chosen, texts)]
            predicted = sum(1 - (1 - x**rows) ** bands for x in j) / len(j)
            both = dropped(prepare(program, folder, "both", ["originals", f"edited-{share}"], near)[0])
            measured = (both - alone) / len(j)
            print(f"| {n} | {bands} × {rows} | {share:.0%} | {statistics.mean(j):.3f} | {predicted:.3f} | {measured:.3f} |")


def joined(program, found, folder):
    for name, texts in found.items():
        (folder / name).write_text("\n\n".join(texts))
    print("| n | bands × rows | documents | joined | clusters | largest | dropped |\n|---|---|---|---|---|---|---|")
    for n, bands, rows in ((3, 14, 8), (5, 14, 8), (8, 14, 8), (13, 14, 8), (5, 20, 5), (5, 40, 3)):
        counters, shown = prepare(program, folder, "all", list(found), keys(n, bands, rows))
        near = counters["near_duplicates"]
        print(
            f"| {n} | {bands} × {rows} | {counters['read']['documents']} | {near['documents']} | {near['clusters']} | "
            f"{near['largest']} | {dropped(counters)} |"
        )
        if (n, bands, rows) == (5, 14, 8):
            sample = random.Random(1).sample(shown, min(20, len(shown)))
    for pair in sorted(sample, key=lambda pair: pair["similarity"]):
        print(f"{pair['similarity']} {pair['kept_corpus']}\n  {pair['kept_text']!r}\n  {pair['dropped_text']!r}")


def speed(program, found, folder):
    for name, texts in found.items():
        (folder / name).write_text("\n\n".join(texts))
    text = sum(len(text.encode()) for texts in found.values() for text in texts) / 1e6
    costs = {"off": [], "on": []}
    for turn in range(5):
        for which in costs:
            near = keys(5, 14, 8) if which == "on" else ""
            name = f"speed-{which}"
            measure(program, "plan", settings(folder, name, list(found), near), "-o", folder / "plan.json")
            run = ("run-task", "--plan", folder / "plan.json", "--stage", "map", "--index", 0, "--of", 1, "--threads", 1)
            costs[which].append(measure(program, *run)[0])
            shutil.rmtree(folder / f"{name}-work")
    ratio = statistics.median(on / off for off, on in zip(costs["off"], costs["on"]))
    more = statistics.median(on - off for off, on in zip(costs["off"], costs["on"]))
    print(f"map of {text:.0f} MB: {statistics.median(costs['off']):.2f} CPU-s without, ratio {ratio:.2f}, ", end="")
    print(f"{more:.2f} CPU-s more: {text / more:.0f} MB per CPU-second")


def sixteen_megabytes(found):
    """Some 16 MB of documents, and letters to edit them with."""
    texts = [text for texts in found.values() for text in texts if len(text) < 20_000]
    random.Random(2).shuffle(texts)
    base, size = [], 0
    for text in texts:
        if size < 16e6:
            base.append(text)
            size += len(text.encode())
    return base, [c for text in base[:200] for c in text if c.isalpha()]


def peaks(program, folder, copies, clean, stages):
    """Prepares copies of a text, a file each, stage by stage. The counters, and the peak of each stage as cells of a table."""
    corpus = folder / f"memory-{len(copies)}"
    corpus.mkdir()
    for number, texts in enumerate(copies):
        (corpus / f"{number}.txt").write_text("\n\n".join(texts))
    path = settings(folder, corpus.name, [corpus.name], clean, "task_mb = 16\n")
    measure(program, "plan", path, "-o", folder / "plan.json")
    found = []
    for stage in stages:
        run = ("run-task", "--plan", folder / "plan.json", "--stage", stage, "--index", 0, "--of", 1, "--threads", 1)
        found.append(f"{measure(program, *run)[1]:.0f} MB")
    counters = json.loads((folder / f"{corpus.name}-out/manifest.json").read_text())["counters"]
    for end in ("-out", "-work", ""):
        shutil.rmtree(folder / f"{corpus.name}{end}")
    return counters, " | ".join(found)


def memory(program, found, folder):
    base, letters = sixteen_megabytes(found)
    draw = random.Random(2)
    print(f"| text | near-duplicates | {' | '.join(STAGES)} |\n|---|---|{'---|' * len(STAGES)}")
    for share in (0.5, 0.01):
        for times in (1, 4, 16):
            copies = [base] + [[edited_fast(text, share, draw, letters) for text in base] for _ in range(times - 1)]
            counters, cells = peaks(program, folder, copies, keys(5, 14, 8), STAGES)
            found_there = counters["near_duplicates"]["documents"]
            print(f"| {times} × 16 MB, {counters['read']['documents']} documents | {found_there} | {cells} |", flush=True)


def edited_fast(text, share, draw, letters):
    """The same as `edited` but for marks, in time for hundreds of megabytes."""
    text = list(text)
    for at in draw.sample(range(len(text)), max(1, int(share * len(text)))):
        if text[at].isalpha():
            text[at] = draw.choice(letters)
    return "".join(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpora", type=Path, default=ROOT / "../shared/corpora")
    default = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/quanci"
    parser.add_argument("--program", type=Path, default=default)
    parser.add_argument("what", nargs="*", default=["recall", "joined", "speed", "memory"])
    arguments = parser.parse_args()
    found = documents(arguments.corpora)
    parts = {"recall": recall, "joined": joined, "speed": speed, "memory": memory}
    for name in arguments.what:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](arguments.program.resolve(), found, Path(folder))


if __name__ == "__main__":
    main()
