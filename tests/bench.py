#!/usr/bin/env python3
"""The whole-job benchmark: what a real corpus costs, from text to Parquet and from text to a vocabulary.

    python3 tests/bench.py [--corpora DIR] [--rounds N] [--work DIR] [--json]

Builds the release program and runs it over DIR/medium (../shared/corpora by default): length 128, 20 predictions, 5 copies,
static whole-word masks, Google's vocabulary. Rates are per CPU-second (user and system, all threads), best of N rounds; wall
times are compared pair by pair, and the median counts. Asserts nothing: numbers differ from machine to machine.
Standard library only. Vocabulary training is compared with Python's `tokenizers` where .venv-peers has it (tests/peers.py), or .venv
(tests/python/run.sh).
"""

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VOCABULARY = ROOT / "tests/fixtures/google-zh-vocab.txt"
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/quanci"

# name: (format, files, keys); every text file of the medium corpora is paragraphs but one.
CORPORA = {
    "paragraphs": ("paragraphs", ["gutenberg*", "classical-novels*", "prc-laws*", "song-poems*"], ""),
    "sentences": ("sentences", ["histories*"], ""),
    "jsonl": ("jsonl", ["*.jsonl*"], 'text_field = ["title", "text"]\n'),
}

SETTINGS = """
[instances]
objective = "nsp"
max_seq_len = 128
copies = 5

[masking]
mode = "static"
unit = "word"
max_predictions = 20
"""

# The same text to the trainer of `tokenizers`, as its own documentation shows it: the usual hidden limit of the alphabet raised.
PEER = """
import sys
from tokenizers import BertWordPieceTokenizer
tokenizer = BertWordPieceTokenizer(lowercase=True)
tokenizer.train(sys.argv[1:], vocab_size=21128, min_frequency=2, limit_alphabet=100_000, show_progress=False)
"""


@dataclass
class Cost:
    """What a process cost, with its children's threads."""

    cpu: float
    wall: float
    peak_mb: float


# Linux counts the memory of whoever started a process as its own until it has begun: this one is small.
LAUNCHER = """
import json, os, sys, time
begun = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(json.dumps([status, usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, usage.ru_maxrss / 1024]))
"""


def measure(command):
    command = [str(part) for part in command]
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, shutil.which(command[0]), *command[1:]]
    status, cpu, wall, peak_mb = json.loads(subprocess.run(launcher, stdout=subprocess.PIPE, check=True).stdout)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return Cost(cpu, wall, peak_mb)


def corpora_tables(folder):
    tables = ""
    for name, (kind, files, keys) in CORPORA.items():
        paths = [str(folder / file) for file in files if any(folder.glob(file))]
        if paths:
            tables += f'[[corpus]]\nname = "{name}"\npaths = {json.dumps(paths)}\nformat = "{kind}"\n{keys}\n'
    return tables or sys.exit(f"{folder}: none of the medium corpora is there; name their folder with --corpora")


def write_config(work, name, corpora, rest):
    path = work / f"{name}.toml"
    path.write_text(f"{corpora}\n{rest}", "utf-8")
    return path


def prepare(work, name, corpora, threads, settings=SETTINGS):
    """Runs `quanci prepare` from nothing; gives its cost and the data set's manifest."""
    output = work / name
    shutil.rmtree(output, ignore_errors=True)
    shutil.rmtree(work / ".work", ignore_errors=True)
    config = write_config(work, name, f'vocab = "{VOCABULARY}"\n{corpora}', f'{settings}\n[output]\npath = "{output}"\n')
    cost = measure([PROGRAM, "prepare", config, "--threads", threads, "--quiet"])
    manifest = json.loads((output / "manifest.json").read_text("utf-8"))
    shutil.rmtree(output)
    return cost, manifest


def opened(path):
    """A corpus file as bytes, whatever it is compressed with."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    return path.read_bytes()


def unpack(corpora, work):
    """The medium corpora uncompressed, under the names that CORPORA looks for."""
    folder = work / "text"
    folder.mkdir()
    for path in sorted(corpora.iterdir()):
        (folder / path.name.removesuffix(".zst").removesuffix(".gz")).write_bytes(opened(path))
    return folder


def numbered(text, number, is_json):
    """The text with a number added to each document, so that none repeats another."""
    if not is_json:
        return text.replace(b"\n\n", b" %d\n\n" % number).rstrip(b"\n") + b" %d\n" % number
    lines = [json.loads(line) for line in text.splitlines()]
    return b"".join(json.dumps(line | {"text": f"{line['text']} {number}"}).encode() + b"\n" for line in lines)


def four_times(text, work):
    folder = work / "four-times"
    folder.mkdir()
    for path in text.iterdir():
        stem, suffix = path.name.split(".", 1)
        for number in range(4):
            (folder / f"{stem}-{number}.{suffix}").write_bytes(numbered(path.read_bytes(), number, ".jsonl" in path.name))
    return folder


def whole_job(corpora, work, rounds):
    tables = corpora_tables(corpora)
    prepare(work, "warm-up", tables, 2)
    pairs = [[prepare(work, "job", tables, threads) for threads in (1, 2)] for _ in range(rounds)]
    one, two = ([pair[i][0] for pair in pairs] for i in (0, 1))
    manifests = [manifest for pair in pairs for _, manifest in pair]
    rows = sum(shard["rows"] for shard in manifests[0]["shards"])
    # The text that the program read out of the files; the corpora are compressed.
    megabytes = sum(manifests[0]["counters"][split]["text_bytes"] for split in ("read", "read_validation")) / 1e6
    cpu = min(cost.cpu for cost in one)
    return {
        "text_mb": megabytes,
        "instances": rows,
        "cpu_s": cpu,
        "mb_per_cpu_s": megabytes / cpu,
        "instances_per_cpu_s": rows / cpu,
        "bytes_per_instance": sum(shard["bytes"] for shard in manifests[0]["shards"]) / rows,
        "wall_1_s": min(cost.wall for cost in one),
        "wall_2_s": min(cost.wall for cost in two),
        "second_thread": statistics.median(a.wall / b.wall for a, b in zip(one, two)),
        "peak_mb_1": max(cost.peak_mb for cost in one),
        "peak_mb_2": max(cost.peak_mb for cost in two),
        "same_bytes": len({manifest["checksum"] for manifest in manifests}) == 1,
    }


def memory_four_times(text, work):
    folder = four_times(text, work)
    cost, manifest = prepare(work, "four", corpora_tables(folder), 2)
    shutil.rmtree(folder)
    return {"four_times_peak_mb": cost.peak_mb, "four_times_text_mb": manifest["counters"]["read"]["text_bytes"] / 1e6}


def vocabulary(text, work, rounds):
    """`quanci vocab` and Python's `tokenizers` over the same text, the fields of JSON lines as plain lines for the peer."""
    config = write_config(work, "vocab", corpora_tables(text), f'[vocabulary]\nsize = 21128\npath = "{work / "vocab/vocab.txt"}"\n')
    ours = []
    for _ in range(rounds):
        shutil.rmtree(work / ".work", ignore_errors=True)
        shutil.rmtree(work / "vocab", ignore_errors=True)
        ours.append(measure([PROGRAM, "vocab", config, "--threads", 1, "--quiet"]))
    result = {"vocab_cpu_s": min(cost.cpu for cost in ours), "vocab_peak_mb": max(cost.peak_mb for cost in ours)}
    pythons = [python for name in (".venv-peers", ".venv") if (python := ROOT / name / "bin/python").exists()]
    python = next((it for it in pythons if subprocess.run([it, "-c", "import tokenizers"], capture_output=True).returncode == 0), None)
    if python is None:
        return result | {"skipped": "tokenizers is neither in .venv-peers nor in .venv: tests/peers.py and tests/python/run.sh put it there"}
    peer = measure([python, "-c", PEER, *plain_text(text, work)])
    return result | {"tokenizers_cpu_s": peer.cpu, "tokenizers_peak_mb": peer.peak_mb, "vocab_ratio": peer.cpu / result["vocab_cpu_s"]}


def plain_text(text, work):
    folder = work / "plain"
    folder.mkdir()
    for path in sorted(text.iterdir()):
        content = path.read_text("utf-8", errors="ignore")
        if ".jsonl" in path.name:
            records = map(json.loads, filter(None, content.split("\n")))  # splitlines() would cut at U+2028 too
            content = "".join(f"{record.get('title', '')}\n{record['text']}\n" for record in records)
        (folder / path.name).write_text(content, "utf-8")
    return sorted(folder.iterdir())


def one_gzip(text, work, rounds):
    """All paragraphs in a single gzip file, which only one thread can unpack."""
    folder = work / "gzip"
    folder.mkdir()
    paths = [path for pattern in CORPORA["paragraphs"][1] for path in text.glob(pattern)]
    with gzip.open(folder / "all.txt.gz", "wb", compresslevel=6) as file:
        for path in sorted(paths):
            file.write(path.read_bytes() + b"\n\n")
    table = f'[[corpus]]\nname = "gzip"\npaths = ["{folder / "all.txt.gz"}"]\nformat = "paragraphs"\n'
    pairs = [[prepare(work, "gz", table, threads)[0] for threads in (1, 2)] for _ in range(rounds)]
    return {
        "gzip_wall_1_s": min(one.wall for one, _ in pairs),
        "gzip_wall_2_s": min(two.wall for _, two in pairs),
        "gzip_second_thread": statistics.median(one.wall / two.wall for one, two in pairs),
    }


def tiny_files(work, count=10_000):
    folder = work / "tiny"
    folder.mkdir()
    for i in range(count):
        (folder / f"{i:05}.txt").write_text(f"这是第{i}个小文件，里面只有两句话。今天的天气很好。\n", "utf-8")
    table = f'[[corpus]]\nname = "tiny"\npaths = ["{folder}/*.txt"]\nformat = "files"\n'
    cost, _ = prepare(work, "tiny-set", table, 1)
    # xargs starts `cat` a few times, so that this is the cost of opening and reading.
    cat = measure(["sh", "-c", f"find '{folder}' -name '*.txt' -print0 | xargs -0 cat >/dev/null"])
    return {"tiny_files": count, "tiny_us_per_file": cost.wall / count * 1e6, "cat_us_per_file": cat.wall / count * 1e6}


def samples(work):
    """What someone waits for who tries things out: a run over the samples of the repository, and `inspect` of its rows."""
    output, folder = work / "samples", ROOT / "corpora/samples/public-domain"
    table = f'[[corpus]]\nname = "novels"\npaths = ["{folder}/*.txt"]\nformat = "paragraphs"\n'
    config = write_config(work, "samples", f'vocab = "{VOCABULARY}"\n{table}', f'{SETTINGS}\n[output]\npath = "{output}"\n')
    jobs = []
    for _ in range(5):
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(work / ".work", ignore_errors=True)
        jobs.append(measure([PROGRAM, "prepare", config, "--threads", 1, "--quiet"]))
    looks = [measure([PROGRAM, "inspect", output]) for _ in range(20)]
    return {
        "samples_mb": sum(path.stat().st_size for path in folder.glob("*.txt")) / 1e6,
        "samples_ms": statistics.median(cost.wall for cost in jobs) * 1e3,
        "inspect_ms": statistics.median(cost.wall for cost in looks) * 1e3,
    }


ROWS = [
    ("text", "text_mb", "{:.1f} MB"),
    ("instances", "instances", "{:,}"),
    ("whole job", "mb_per_cpu_s", "{:.1f} MB / CPU-s"),
    ("", "instances_per_cpu_s", "{:,.0f} instances / CPU-s"),
    ("shards", "bytes_per_instance", "{:.1f} bytes an instance"),
    ("wall, 1 thread", "wall_1_s", "{:.2f} s"),
    ("wall, 2 threads", "wall_2_s", "{:.2f} s"),
    ("second thread", "second_thread", "{:.2f} x"),
    ("peak memory, 1 thread", "peak_mb_1", "{:.0f} MB"),
    ("peak memory, 2 threads", "peak_mb_2", "{:.0f} MB"),
    ("  the text four times", "four_times_peak_mb", "{:.0f} MB"),
    ("same bytes in all runs", "same_bytes", "{}"),
    ("vocabulary of 21128", "vocab_cpu_s", "{:.2f} CPU-s"),
    ("  tokenizers, Python", "tokenizers_cpu_s", "{:.2f} CPU-s"),
    ("  ratio", "vocab_ratio", "{:.1f} x"),
    ("  skipped", "skipped", "{}"),
    ("one gzip file, 1 thread", "gzip_wall_1_s", "{:.2f} s"),
    ("  2 threads", "gzip_wall_2_s", "{:.2f} s"),
    ("  second thread", "gzip_second_thread", "{:.2f} x"),
    ("samples", "samples_mb", "{:.1f} MB"),
    ("  prepare", "samples_ms", "{:.0f} ms"),
    ("  inspect", "inspect_ms", "{:.1f} ms"),
    ("10,000 tiny files", "tiny_us_per_file", "{:.0f} µs a file"),
    ("  cat", "cat_us_per_file", "{:.0f} µs a file"),
]


def main():
    parser = argparse.ArgumentParser(description="what a real corpus costs, from text to Parquet and to a vocabulary")
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared/corpora", help="the folder that holds medium/")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind")
    parser.add_argument("--work", type=Path, help="where to work; a folder in memory leaves the disk out")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    medium = options.corpora.resolve() / "medium"
    if not medium.is_dir():
        sys.exit(f"{medium} is not there: name the folder of the corpora with --corpora")
    if not shutil.which("zstd"):
        sys.exit("the program zstd is not there: it unpacks the corpora for the comparisons")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    if options.work:
        os.makedirs(options.work, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="quanci-bench-", dir=options.work) as folder:
        work = Path(folder)
        result = whole_job(medium, work, options.rounds)
        text = unpack(medium, work)
        result |= memory_four_times(text, work)
        result |= vocabulary(text, work, options.rounds)
        result |= one_gzip(text, work, options.rounds)
        result |= samples(work)
        result |= tiny_files(work)
    if options.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:26}{form.format(result[key])}" for name, key, form in ROWS if key in result))


if __name__ == "__main__":
    main()
