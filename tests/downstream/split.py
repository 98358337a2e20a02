"""Lays out four labelled sets as `quanci-train score` wants them, and writes the texts of their training parts, without labels, one
document each: FOLDER/NAME/ and FOLDER/text/NAME.txt.

    split.py SOURCE FOLDER

SOURCE holds chnsenticorp/chnsenticorp.zip, ocnli/{train.10k.json.zst,dev.json}, cluener/{train.json.zst,test.json} and
thucnews-titles/dev.txt, of which 60 % become train, 20 % dev and 20 % test, by a hash of the title.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import zipfile

source, folder = map(pathlib.Path, sys.argv[1:3])
text_folder = folder / "text"
text_folder.mkdir(parents=True, exist_ok=True)


def unpacked(path):
    return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout.decode()


def write_text(name, texts):
    texts = dict.fromkeys(text.strip() for text in texts if text.strip())
    (text_folder / f"{name}.txt").write_text("\n\n".join(texts) + "\n", "utf-8")


def lay_json(name, train, test):
    own = folder / name
    own.mkdir(exist_ok=True)
    text = unpacked(source / name / train)
    (own / "train.json").write_text(text, "utf-8")
    shutil.copyfile(source / name / test, own / test)
    return [json.loads(line) for line in text.splitlines()]


shutil.copyfile(source / "chnsenticorp/chnsenticorp.zip", folder / "chnsenticorp.zip")
archive = zipfile.ZipFile(folder / "chnsenticorp.zip")
train = next(name for name in archive.namelist() if name.endswith("train.tsv") and "__MACOSX" not in name)
rows = archive.read(train).decode().splitlines()[1:]
write_text("reviews", (row.split("\t", 1)[1] for row in rows if "\t" in row))

pairs = lay_json("ocnli", "train.10k.json.zst", "dev.json")
write_text("inference", (pair[key] for pair in pairs for key in ("sentence1", "sentence2")))
write_text("names", (line["text"] for line in lay_json("cluener", "train.json.zst", "test.json")))

parts = {"train": [], "dev": [], "test": []}
for line in (source / "thucnews-titles/dev.txt").read_text("utf-8").split("\n"):
    if line:
        share = hashlib.sha256(line.split("\t")[0].encode()).digest()[0] / 256
        parts["train" if share < 0.6 else "dev" if share < 0.8 else "test"].append(line)
(folder / "thucnews-titles").mkdir(exist_ok=True)
for part, lines in parts.items():
    (folder / "thucnews-titles" / f"{part}.txt").write_text("\n".join(lines) + "\n", "utf-8")
write_text("titles", (line.split("\t")[0] for line in parts["train"]))
