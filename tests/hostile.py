#!/usr/bin/env python3
"""Runs both programs on files that were damaged or forged, and reports what must not happen.

    cargo build --release --workspace --features integration-tests/trainer
    tests/hostile.py --runs 20000 [--seed 1] [--workers 2] [--only manifest,shard] [--keep failures/]

Reported are exit codes 101, 134 and 139 (a panic, an abort, a bad access), runs of more than 2 GB or 20 seconds, and an exit
code 0 with a wrong result: `verify` on a changed data set, or counts that are not those of the rows. Inputs begin as small
files that are sound. Nothing but Python's standard library is needed. The programs lie in target/release, or in the folder
that the variable QUANCI_PROGRAMS names.
"""

import argparse
import collections
import copy
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY_MB = 2000
SECONDS = 20
# libtorch reserves much that it never uses, so addresses are limited far above what a run may take.
ADDRESSES = 24 << 30
NUMBERS = [b"0", b"-1", b"1", b"255", b"65536", b"4294967295", b"2147483648", b"9223372036854775807", b"18446744073709551615",
           b"1e308", b"-0.5", b"1e-320", b"1000000000000000"]
VALUES = [None, True, -1, 0, 1, 2**16, 2**24, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, 10**15, -0.5, 1e300, "", "..", "../x", "/etc/passwd",
          "a\u001b[2Jb", "0" * 64, "../../victim/Cargo", [], {}, [[]], "\u202e"]


PROGRAMS = Path(os.environ.get("QUANCI_PROGRAMS", ROOT / "target/release"))


def program(name):
    return str(PROGRAMS / f"{name}-under-test")


# --- Changes -------------------------------------------------------------------------------------------------------


def change_bytes(rng, data):
    """A few changes of bytes."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(data) + 1) if data else 0
        # The end of a file often holds its directory or footer.
        if data and rng.random() < 0.3:
            at = max(0, len(data) - rng.randrange(min(len(data), 400)) - 1)
        kind = rng.randrange(9)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[min(at, len(data) - 1)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == 2:
            del data[at : at + rng.choice([1, 2, 4, 16, 200])]
        elif kind == 3:
            data[at:at] = data[at : at + rng.choice([1, 4, 16, 200])] * rng.choice([1, 2, 50])
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.choice([1, 2, 4, 8]))
        elif kind == 5:
            del data[at:]
        elif kind == 6:
            packed = struct.pack("<Q", rng.choice([0, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
            data[at : at + 8] = packed[: rng.choice([1, 2, 4, 8])]
        elif kind == 7:
            digits = [i for i in range(len(data)) if 48 <= data[i] <= 57]
            if digits:
                start = end = rng.choice(digits)
                while start > 0 and 48 <= data[start - 1] <= 57:
                    start -= 1
                while end < len(data) and 48 <= data[end] <= 57:
                    end += 1
                data[start:end] = rng.choice(NUMBERS)
        elif kind == 8:
            data[at:at] = rng.choice([b"[" * 300, b"{\"a\":" * 200, b"(" * 300, b")" + b"\x85" * 300, b"\n" * 50, b"\x00" * 64, b"\xff" * 10, b"\x1b[2J"])
    return bytes(data)


def places(value, path=()):
    """Where values are in JSON."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], path + (key,))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], path + (index,))


def change_json(rng, value):
    """A few changes of values."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice([1, 1, 2])):
        found = [path for path in places(value) if path]
        if not found:
            break
        path = rng.choice(found)
        inside = value
        for key in path[:-1]:
            inside = inside[key]
        kind = rng.randrange(10)
        if kind == 0:
            del inside[path[-1]]
        elif kind == 1 and isinstance(inside, list):
            inside.insert(path[-1], copy.deepcopy(inside[path[-1]]))
        elif kind == 2 and isinstance(inside[path[-1]], int):
            inside[path[-1]] += rng.choice([-1, 1])
        else:
            # A list of its own: another change may put something into it.
            inside[path[-1]] = copy.deepcopy(rng.choice(VALUES))
    return value


def sealed(manifest):
    """A manifest's text with the right checksum."""
    manifest["checksum"] = ""
    text = lambda: json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    manifest["checksum"] = hashlib.sha256(text().encode("utf-8", "surrogatepass")).hexdigest()
    return text().encode("utf-8", "surrogatepass")


# --- Seeds ---------------------------------------------------------------------------------------------------------

TEXT = "第一句话很短。第二句，“引号里”有字！\n第三句话在这里。\n\n另一篇文章开始了。他说：今天天气不错。\n"
PREPARE = """vocab = "vocab.txt"
[[corpus]]
name = "a"
paths = ["{file}"]
format = "{format}"
{field}
[segment]
words = "{words}"
{dictionary}
[instances]
copies = 1
max_seq_len = 32
[output]
path = "out"
shards = 1
validation = 0.1
"""


def settings(file, format, field="", words="none", dictionary=""):
    return PREPARE.format(file=file, format=format, field=field, words=words, dictionary=dictionary)


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def pickles():
    """A state dict of one tensor, as `torch.save` writes it since 1.6 and before."""
    rebuilt = (b"ccollections\nOrderedDict\n)R(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"
               b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRu.")
    pickle = b"\x80\x02" + rebuilt
    head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
    numbers = b"\x02\0\0\0\0\0\0\0\0\0\x80?\0\0\0@"
    return [zipped([("archive/data.pkl", pickle), ("archive/data/0", numbers[8:])]), head + pickle + b"\x80\x02]X\x01\0\0\x000a." + numbers]


def make_seeds(folder):
    """A data set, a model and the files to change, made by the programs themselves."""
    data = ROOT / "tests/fixtures/hostile/data"
    shutil.copytree(data, folder / "base")
    base = folder / "base"
    shutil.copy(ROOT / "tests/fixtures/hostile/a.txt", base)
    run = lambda *arguments: subprocess.run(arguments, cwd=base, check=True, capture_output=True)
    (base / "p.toml").write_text(settings("a.txt", "paragraphs"))
    run(program("quanci"), "prepare", "p.toml", "--out", "set")
    model = {"model_type": "bert", "vocab_size": 423, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 16, "max_position_embeddings": 64, "type_vocab_size": 2}
    (base / "model.json").write_text(json.dumps(model))
    (base / "run.toml").write_text('model = "model.json"\noutput = "run"\n[[phase]]\ndata = [{ path = "set" }]\nsteps = 1\nglobal_batch = 4\n'
                                   "micro_batch = 4\n[data]\nlanes = 2\n[log]\ntensorboard = false\n")
    if Path(program("quanci-train")).exists():
        run(program("quanci-train"), "pretrain", "run.toml")
        run(program("quanci-train"), "export", "run", "-o", "model")
        shutil.rmtree(base / "run")
    return base


def corpora():
    text = TEXT * 6
    lines = "".join(json.dumps({"text": line, "n": [1, None]}, ensure_ascii=False) + "\n" for line in text.split("\n") if line)
    return {
        "txt": [(text.encode(), "paragraphs", ""), (text.encode("utf-16"), "documents", ""), (text.encode("gb18030"), "sentences", "")],
        "jsonl": [(lines.encode(), "jsonl", "")],
        "json": [(json.dumps({"data": [{"text": text}, {"text": text}]}).encode(), "json", 'text_field = "data[].text"')],
        "csv": [(("id,text\r\n" + "".join(f'{i},"{line}"\r\n' for i, line in enumerate(text.split("\n")))).encode(), "csv", 'text_field = "text"')],
        "zip": [(zipped([("a.txt", text), ("b.txt", text)]), "documents", "")],
        "gz": [(gzip.compress(text.encode()), "paragraphs", ""), (gzip.compress(lines.encode()), "jsonl", "")],
        "parquet": [(None, "parquet", 'text_field = "source"')] + [
            ((ROOT / f"tests/fixtures/hostile/{name}.parquet").read_bytes(), "parquet", 'text_field = "text"') for name in ("delta-lengths", "delta-texts")
        ],
    }


def deep_parquet(rng):
    """A footer of nested groups."""
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])
    depth, children = rng.choice([10, 99, 101, 5000, 30000]), rng.choice([1, 1, 1, 2, 2**31 - 1])
    group = b"\x35\x02\x18\x01a\x15" + varint(2 * children) + b"\0"
    elements = [b"\x48\x01s\x15\x02\0"] + [group] * depth + [b"\x15\x0c\x25\0\x18\x01t\0"]
    footer = b"\x15\x02\x19\xfc" + varint(len(elements)) + b"".join(elements) + b"\x16\0\x19\x0c\0"
    return b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"


# --- Runs ----------------------------------------------------------------------------------------------------------


class Case:
    """Files to put over a copy of the base, commands to run there, and what must hold for exit code 0."""

    def __init__(self, files, commands):
        self.files, self.commands = files, commands


def quanci(*arguments):
    return ("quanci", *arguments)


def train(*arguments):
    return ("quanci-train", *arguments, "--device", "cpu", "--threads", "1")


def case_manifest(rng, base):
    original = (base / "set/manifest.json").read_bytes()
    if rng.random() < 0.2:
        changed = change_bytes(rng, original)
    else:
        changed = sealed(change_json(rng, json.loads(original)))
    commands = [rng.choice([quanci("verify", "set"), quanci("inspect", "set"), quanci("stats", "set"), quanci("verify", "set")])]
    if rng.random() < 0.15:
        commands = [train(*rng.choice([("check", "run.toml"), ("eval", "--model", "model", "--data", "set"), ("pretrain", "run.toml")]))]
    return Case({"set/manifest.json": changed}, commands)


def case_shard(rng, base):
    name = rng.choice(sorted(path.relative_to(base / "set").as_posix() for path in (base / "set").rglob("*.parquet")))
    changed = deep_parquet(rng) if rng.random() < 0.03 else change_bytes(rng, (base / "set" / name).read_bytes())
    files = {f"set/{name}": changed}
    if rng.random() < 0.6:
        manifest = json.loads((base / "set/manifest.json").read_bytes())
        for shard in manifest["shards"]:
            if shard["path"] == name:
                shard["bytes"], shard["sha256"] = len(changed), hashlib.sha256(changed).hexdigest()
        files["set/manifest.json"] = sealed(manifest)
    commands = [rng.choice([quanci("verify", "set"), quanci("stats", "set"), quanci("inspect", "set", "--random", "3")])]
    if rng.random() < 0.1:
        commands = [train(*rng.choice([("pretrain", "run.toml"), ("eval", "--model", "model", "--data", "set")]))]
    return Case(files, commands)


def case_config(rng, base):
    original = json.loads((base / "model.json").read_bytes())
    changed = change_bytes(rng, json.dumps(original).encode()) if rng.random() < 0.3 else json.dumps(change_json(rng, original)).encode()
    return Case({"model.json": changed}, [train(rng.choice(["check", "check", "pretrain"]), "run.toml")])


def fill_mask(rng, files):
    return Case(files, [train("fill-mask", "--model", "model", "他[MASK]")])


def case_pickle(rng, base):
    return fill_mask(rng, {"model/model.safetensors": None, "model/pytorch_model.bin": change_bytes(rng, rng.choice(pickles()))})


def case_tokenizer(rng, base):
    original = (base / "model/tokenizer.json").read_bytes()
    if rng.random() < 0.3:
        return fill_mask(rng, {"model/tokenizer.json": change_bytes(rng, original)})
    tokenizer = json.loads(original)
    # The vocabulary is most of it, and the least interesting.
    vocabulary = tokenizer["model"].pop("vocab", {})
    tokenizer = change_json(rng, tokenizer)
    if isinstance(tokenizer, dict) and isinstance(tokenizer.get("model"), dict):
        tokenizer["model"].setdefault("vocab", vocabulary)
    return fill_mask(rng, {"model/tokenizer.json": json.dumps(tokenizer, ensure_ascii=False).encode("utf-8", "surrogatepass")})


def case_safetensors(rng, base):
    return fill_mask(rng, {"model/model.safetensors": change_bytes(rng, (base / "model/model.safetensors").read_bytes())})


def case_corpus(kind):
    def case(rng, base):
        content, format, field = rng.choice(corpora()[kind])
        if content is None:
            content = next((base / "set").rglob("*.parquet")).read_bytes()
            changed = deep_parquet(rng) if rng.random() < 0.1 else change_bytes(rng, content)
        elif kind in ("gz", "zip") and rng.random() < 0.4:
            # Sound outside, damaged inside; or very small outside.
            inner = change_bytes(rng, TEXT.encode() * 6) if rng.random() < 0.8 else b"\xe4\xb8\xad" * 4_000_000
            changed = gzip.compress(inner) if kind == "gz" else zipped([("a.txt", inner)])
        else:
            changed = change_bytes(rng, content)
        file = f"corpus/input.{kind}"
        files = {file: changed, "p.toml": settings(file, format, field).encode()}
        command = rng.choice([quanci("prepare", "p.toml"), quanci("prepare", "p.toml"), quanci("check", "p.toml"), quanci("init", "corpus")])
        return Case(files, [command])

    return case


def case_vocab(rng, base):
    return Case({"vocab.txt": change_bytes(rng, (base / "vocab.txt").read_bytes())}, [quanci("prepare", "p.toml")])


def case_dictionary(rng, base):
    words = "".join(f"{a}{b} {n} n\n" for a, b, n in zip("天文句引", "气章话号", [3, 100, 7, 1])).encode()
    text = settings("a.txt", "paragraphs", words="jieba", dictionary='user_dict = "words.txt"')
    return Case({"words.txt": change_bytes(rng, words), "p.toml": text.encode()}, [quanci("prepare", "p.toml")])


def case_settings(rng, base):
    if rng.random() < 0.8:
        return Case({"p.toml": change_bytes(rng, (base / "p.toml").read_bytes())}, [quanci("check", "p.toml")])
    return Case({"run.toml": change_bytes(rng, (base / "run.toml").read_bytes())}, [train("check", "run.toml")])


# Labelled sets of fine-tuning: the golden one to change, and the keys of [set] besides its files.
PAIRS = 'format = "tsv"\ntext = "text_a"\ntext_b = "text_b"\nlabel = "label"'
LABELLED = [
    ("classification", "train.tsv", 'kind = "classification"\n' + PAIRS),
    ("classification", "train.tsv", 'kind = "classification"\nformat = "csv"\nheader = false\ntext = "0"\nlabel = "0"'),
    ("regression", "train.jsonl", 'kind = "regression"\nformat = "jsonl"\ntext = "text"\nlabel = "score"'),
    ("tokens", "train.conll", 'kind = "tokens"\nformat = "conll"'),
    ("spans", "train.json", 'kind = "spans"\nformat = "squad"\nby_characters = true'),
    ("spans", "train.json", 'kind = "spans"\nformat = "squad"\nunanswerable = true'),
    ("choice", "train.json", 'kind = "choice"\nformat = "c3"'),
    ("embeddings", "train.tsv", 'kind = "embeddings"\n' + PAIRS),
]


def case_labelled(rng, base):
    folder, name, keys = rng.choice(LABELLED)
    golden = ROOT / "tests/golden/tuning" / folder
    original = (golden / name).read_bytes()
    changed = change_bytes(rng, original)
    if name.endswith(".json") and rng.random() < 0.7:
        changed = json.dumps(change_json(rng, json.loads(original)), ensure_ascii=False).encode("utf-8", "surrogatepass")
    path, files = "set", {f"set/{name}": changed}
    if rng.random() < 0.2:
        inner = rng.choice([zipped([(f"{folder}/{name}", changed)]), change_bytes(rng, zipped([(name, original)]))])
        path, files = "set.zip", {"set.zip": inner}
    text = (f'path = "{path}"\ninit_from = "random"\nmodel = "{golden}/model/config.json"\ntokenizer = "{golden}/model"\noutput = "tuned"\n'
            f'max_length = 24\nepochs = 1\n[spans]\nmax_question = 6\n[set]\ntrain = "{name}"\ndev_share = 0.3\n{keys}\n')
    command = ["tune", "tune.toml"] + (["--check"] if rng.random() < 0.8 else [])
    return Case({**files, "tune.toml": text.encode()}, [train(*command)])


# How often each is drawn.
KINDS = {
    "manifest": (case_manifest, 22), "shard": (case_shard, 20), "config": (case_config, 3), "pickle": (case_pickle, 4),
    "tokenizer": (case_tokenizer, 4), "safetensors": (case_safetensors, 2), "txt": (case_corpus("txt"), 6), "jsonl": (case_corpus("jsonl"), 6),
    "json": (case_corpus("json"), 5), "csv": (case_corpus("csv"), 5), "zip": (case_corpus("zip"), 6), "gz": (case_corpus("gz"), 5),
    "parquet": (case_corpus("parquet"), 8), "vocab": (case_vocab, 4), "dictionary": (case_dictionary, 1), "settings": (case_settings, 5),
    "labelled": (case_labelled, 4),
}


# Files that only the trainer reads.
TRAINER_KINDS = ("config", "pickle", "tokenizer", "safetensors", "labelled")


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A full disk of this machine is no finding.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def run(command, folder):
    """Exit code (negative after a signal), megabytes, seconds, standard output, the end of standard error."""
    environment = {**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / ".cache"), "RUST_BACKTRACE": "0"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = subprocess.Popen([program(command[0]), *command[1:], "--json"], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 preexec_fn=limited, env=environment)
        timer = threading.Timer(SECONDS + 5, child.kill)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = 0
        seconds = time.monotonic() - start
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        out.seek(0)
        err.seek(0)
        return code, usage.ru_maxrss / 1024, seconds, out.read(), err.read()[-2000:]


def same_but(base, folder, changed):
    """True if the data set is byte for byte the sound one."""
    return all((base / name).is_file() and (base / name).read_bytes() == (folder / name).read_bytes() for name in changed)


def wrong_result(case, command, base, folder, out):
    """What is wrong with a run that ended with exit code 0; none if nothing is."""
    if command[1] == "verify" and command[0] == "quanci":
        names = [name for name in case.files if name.startswith("set/")]
        resealed = "set/manifest.json" in case.files
        if not resealed and not same_but(base, folder, names):
            return "verify found nothing in a changed data set"
        said = json.loads(out.splitlines()[-1])
        manifest = json.loads((folder / "set/manifest.json").read_bytes())
        if said["rows"] != sum(shard["rows"] for shard in manifest["shards"]):
            return f"verify counted {said['rows']} rows"
        counters = manifest["counters"]
        if said["rows"] != counters["train"]["instances"] + counters["validation"]["instances"]:
            return "verify passed rows that are not those of the counters"
    if command[1] == "prepare":
        code, _, _, said, err = run(quanci("verify", "out"), folder)
        if code != 0:
            return f"prepare made a data set that verify refuses: {err[-300:]}"
    return None


def weight(kind, trainer):
    return KINDS[kind][1] * (trainer if kind in TRAINER_KINDS else 1)


def one(job):
    """Makes and runs a case; returns its kind and what was found."""
    number, seed, base, kinds, trainer, keep = job
    rng = random.Random(f"{seed}-{number}")
    kind = rng.choices(kinds, weights=[weight(kind, trainer) for kind in kinds])[0]
    case = KINDS[kind][0](rng, base)
    # Data sets and settings that drew the trainer; the others are the trainer's alone.
    if kind not in TRAINER_KINDS and case.commands[0][0] == "quanci-train" and rng.random() >= trainer:
        case.commands = [quanci("verify", "set")]
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    found, codes, worst = [], [], (0, 0)
    try:
        # Links: nothing writes into a file that is there.
        shutil.copytree(base, folder, dirs_exist_ok=True, copy_function=os.link)
        for name, content in case.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        for command in case.commands:
            code, megabytes, seconds, out, err = run(command, folder)
            codes.append(code)
            worst = (max(worst[0], megabytes), max(worst[1], seconds))
            problems = []
            if code in (101, 134, 139) or code < 0 or b"panicked" in err:
                problems.append(f"exit code {code}")
            if megabytes > MEMORY_MB:
                problems.append(f"{megabytes:.0f} MB")
            if seconds > SECONDS:
                problems.append(f"{seconds:.0f} s")
            if code == 0 and (wrong := wrong_result(case, command, base, folder, out)):
                problems.append(wrong)
            found.extend({"kind": kind, "number": number, "command": " ".join(command), "problem": problem, "said": err[-400:].decode(errors="replace")} for problem in problems)
        if found and keep:
            shutil.copytree(folder, Path(keep) / f"{kind}-{number}", dirs_exist_ok=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return kind, codes, worst, found


def as_worker():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first run, to repeat one")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="kinds of files, with commas")
    parser.add_argument("--trainer", type=float, default=1.0, help="share of the usual runs of quanci-train, which take longest")
    parser.add_argument("--keep", help="folder for the files of runs that were reported")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if not arguments.only or kind in arguments.only.split(",")]
    if not Path(program("quanci-train")).exists():
        kinds = [kind for kind in kinds if kind not in TRAINER_KINDS]
    with tempfile.TemporaryDirectory(prefix="hostile-seeds-") as folder:
        base = make_seeds(Path(folder))
        runs, codes, most, slowest, found = collections.Counter(), collections.Counter(), collections.Counter(), collections.Counter(), []
        start = time.monotonic()
        jobs = ((number, arguments.seed, base, kinds, arguments.trainer, arguments.keep) for number in range(arguments.first, arguments.first + arguments.runs))
        # An interrupt ends the main process alone, which then tells of the runs that are done.
        with multiprocessing.Pool(arguments.workers, initializer=as_worker) as pool:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                for kind, ended, (megabytes, seconds), problems in pool.imap_unordered(one, jobs, chunksize=4):
                    runs[kind] += 1
                    codes.update(ended)
                    most[kind], slowest[kind] = max(most[kind], megabytes), max(slowest[kind], seconds)
                    found += problems
                    for problem in problems:
                        print(json.dumps(problem, ensure_ascii=False), flush=True)
                    if sum(runs.values()) % 1000 == 0:
                        print(f"{sum(runs.values())} runs, {len(found)} reported, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
    print(f"{'kind':<12} {'runs':>7} {'most MB':>8} {'slowest s':>10}")
    for kind in kinds:
        print(f"{kind:<12} {runs[kind]:>7} {most[kind]:>8.0f} {slowest[kind]:>10.1f}")
    print("exit codes:", ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())))
    print(f"{sum(runs.values())} runs in {time.monotonic() - start:.0f} s, {len(found)} reported")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
