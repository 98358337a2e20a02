#!/usr/bin/env python3
"""quanci beside the programs it replaces, on the same text in one run.

    python3 tests/peers.py [--corpora DIR] [--rounds N] [--peer-mb N] [--quanci-mb N] [--uer CHECKOUT [--uer-python PYTHON]]

The text is a mixture of DIR/medium (../shared/corpora by default), one sentence a line. quanci prepares all of it, and the first
megabytes that the slow peers get: length 128, 20 predictions, five static copies, or one with dynamic masks. Every round runs
each program once, so that a slow minute of the machine hits all of them; the median of the rounds counts. Rates are per
CPU-second of the whole process, its start included. Asserts nothing.

Peers come from the Python package index into .venv-peers (2.6 GB): see tests/peers/. UER-py is in no package: name a checkout of
https://github.com/dbiir/UER-py with --uer, and a Python that has what it requires (PyTorch), or it is left out. The parts of
`cargo bench --bench parts` that have a peer are measured last, over the same text as the peers'.
"""

import argparse
import itertools
import json
import os
import pickle
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import CORPORA, PROGRAM, ROOT, SETTINGS, VOCABULARY, measure, opened, prepare

PEERS = ROOT / "tests/peers"
VENV = ROOT / ".venv-peers"
# Google's packages and LDDL ask for older versions, which no present Python can install; their scripts run with these.
PACKAGES = ["tensorflow-cpu==2.21.0", "tf_keras==2.21.0", "sentencepiece==0.2.1", "six==1.17.0", "jieba==0.42.1"]
PACKAGES += ["transformers==5.24.0", "pyarrow==26.0.1", "numpy==2.4.6"]
SCRIPTS = ["bert-tensorflow==1.0.4", "tf-models-official==2.20.0", "lddl==0.1.0"]
# A sentence: up to its closing mark and the quotes behind it.
SENTENCE = re.compile(r"[^。！？!?]*[。！？!?]+[”’」』）】]*|[^。！？!?]+")
DYNAMIC = SETTINGS.replace("copies = 5", "copies = 1").replace('"static"', '"dynamic"')


def python():
    """The interpreter that has the peers."""
    interpreter = VENV / "bin/python"
    if not interpreter.exists() or subprocess.run([interpreter, "-c", "import lddl, tf_keras"], capture_output=True).returncode != 0:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        install = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *PACKAGES], check=True)
        subprocess.run([*install, "--no-deps", *SCRIPTS], check=True)
    return interpreter


def documents(path):
    """The documents of a file of the medium corpora, as lists of lines."""
    content = opened(path).decode("utf-8", "ignore")
    if ".jsonl" in path.name:
        texts = (json.loads(line)["text"] for line in content.split("\n") if line)
    else:
        texts = content.split("\n\n")
    for text in texts:
        sentences = [s.strip() for line in text.splitlines() for s in SENTENCE.findall(line)]
        if any(sentences):
            yield [sentence for sentence in sentences if sentence]


def mixture(medium, limit):
    """Documents of all files by turns, as one text of at most `limit` bytes."""
    files = sorted(path for _, patterns, _ in CORPORA.values() for pattern in patterns for path in medium.glob(pattern))
    turns = itertools.zip_longest(*map(documents, files))
    parts, size = [], 0
    for document in itertools.chain.from_iterable(turns):
        if document is not None:
            part = ("\n".join(document) + "\n\n").encode()
            size += len(part)
            if size > limit:
                break
            parts.append(part)
    return b"".join(parts)


def quanci(work, name, text, settings):
    table = f'[[corpus]]\nname = "{name}"\npaths = ["{text}"]\nformat = "sentences"\n'

    def run():
        cost, manifest = prepare(work, name, table, 1, settings)
        return cost, sum(shard["rows"] for shard in manifest["shards"])

    return run


def quoted(command):
    return shlex.join(str(part) for part in command)


def script(work, *command):
    """A peer that prints the number of its instances last."""

    def run():
        log = work / "log"
        # `measure` throws the output away: a shell keeps it.
        cost = measure(["sh", "-c", f"exec {quoted(command)} > '{log}' 2> '{log}.err'"])
        return cost, int(re.findall(r"^\d+$", log.read_text("utf-8"), re.M)[-1])

    return run


def uer(work, interpreter, checkout, text):
    # It opens files of its own and leaves temporary ones in the folder it runs in.
    folder, output = work / "uer", work / "uer.pt"
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git"))
    command = [interpreter, "preprocess.py", "--corpus_path", text, "--vocab_path", VOCABULARY, "--dataset_path", output]
    command += ["--processes_num", 1, "--seq_length", 128, "--dup_factor", 5, "--whole_word_masking", "--data_processor", "bert"]

    def run():
        cost = measure(["sh", "-c", f"cd '{folder}' && exec {quoted(command)} > '{work}/uer.log' 2>&1"])
        instances = 0
        with open(output, "rb") as file:
            while file.peek(1):
                pickle.load(file)
                instances += 1
        return cost, instances

    return run


def parts(text):
    """The parts that have a peer, by themselves: prints what the benchmark prints."""
    print("\nParts alone, one thread, the text of the peers (`cargo bench --bench parts`):", flush=True)
    command = ["cargo", "bench", "--quiet", "-p", "quanci-pipeline", "--bench", "parts", "--", "segment", "tokenize"]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"QUANCI_BENCH_TEXT": str(text)})


def main():
    parser = argparse.ArgumentParser(description="quanci beside the programs it replaces")
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared/corpora", help="the folder that holds medium/")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program")
    parser.add_argument("--peer-mb", type=float, default=5, help="text of the peers, in MB")
    parser.add_argument("--quanci-mb", type=float, default=46, help="text of quanci, in MB")
    parser.add_argument("--uer", type=Path, help="a checkout of https://github.com/dbiir/UER-py")
    parser.add_argument("--uer-python", type=Path, default=VENV / "bin/python", help="the Python that runs it")
    options = parser.parse_args()
    medium = options.corpora.resolve() / "medium"
    if not medium.is_dir():
        sys.exit(f"{medium} is not there: name the folder of the corpora with --corpora")
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "quanci-pipeline"], cwd=ROOT, check=True)
    interpreter = python()
    with tempfile.TemporaryDirectory(prefix="quanci-peers-") as folder:
        work = Path(folder)
        (work / "text").mkdir()
        large, small = work / "large.txt", work / "text/small.txt"
        large.write_bytes(mixture(medium, int(options.quanci_mb * 1e6)))
        small.write_bytes(mixture(medium, int(options.peer_mb * 1e6)))
        google = [interpreter, PEERS / "google.py"]
        programs = {
            "quanci, 5 static copies": (large, quanci(work, "static", large, SETTINGS)),
            "quanci, 1 copy, dynamic masks": (large, quanci(work, "dynamic", large, DYNAMIC)),
            "quanci, 5 static copies, the peers' text": (small, quanci(work, "small", small, SETTINGS)),
            "google-research/bert, no words": (small, script(work, *google, "original", small, VOCABULARY, work / "o.tfrecord")),
            "TensorFlow Model Garden, jieba's words": (small, script(work, *google, "words", small, VOCABULARY, work / "w.tfrecord")),
            "NVIDIA LDDL's computation, no words": (small, script(work, interpreter, PEERS / "lddl.py", small, VOCABULARY, work / "l.parquet")),
        }
        if options.uer:
            programs["UER-py, jieba's words"] = (small, uer(work, options.uer_python, options.uer.resolve(), small))
        else:
            print("UER-py is left out: name a checkout with --uer")
        runs = {name: [] for name in programs}
        for number in range(options.rounds):
            for name, (_, run) in programs.items():
                runs[name].append(run())
                print(f"round {number + 1}: {name}: {runs[name][-1][0].cpu:.2f} CPU-s", file=sys.stderr, flush=True)
        print("\n| program | MB / CPU-s, median (all rounds) | instances / CPU-s | peak memory |\n|---|---|---|---|")
        for name, (text, _) in programs.items():
            megabytes = text.stat().st_size / 1e6
            rates = [megabytes / cost.cpu for cost, _ in runs[name]]
            instances = statistics.median(count / cost.cpu for cost, count in runs[name])
            peak = max(cost.peak_mb for cost, _ in runs[name])
            spread = f"{min(rates):.3g} to {max(rates):.3g}"
            print(f"| {name} ({megabytes:.1f} MB) | {statistics.median(rates):.3g} ({spread}) | {instances:,.0f} | {peak:.0f} MB |")
        parts(work / "text")


if __name__ == "__main__":
    main()
