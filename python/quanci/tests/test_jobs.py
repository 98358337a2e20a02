"""`prepare` and `train_vocab` make what the program makes, tell how far they are, and can be stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CORPUS, SAMPLES, settings_of

import quanci

PROGRAM = os.environ.get("QUANCI") or shutil.which("quanci")


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_bytes_as_the_programs(prepared: Callable[[str], Path], vocabulary: Path, tmp_path: Path) -> None:
    if PROGRAM is None:
        pytest.skip("the program quanci is not there: install the wheel, or name it with QUANCI=")
    paths = "\n".join(f'[[corpus]]\nname = "{c["name"]}"\npaths = {[str(p) for p in c["paths"]]}\nformat = "{c["format"]}"' for c in CORPUS)
    paths = paths.replace('format = "jsonl"', 'format = "jsonl"\ntext_field = ["title", "text"]')
    (tmp_path / "vocab.toml").write_text(f'{paths}\n[vocabulary]\nsize = 6000\npath = "vocab.txt"\n', "utf-8")
    settings = f'vocab = "vocab.txt"\n{paths}\n[instances]\nobjective = "nsp"\nmax_seq_len = 128\ncopies = 2\n'
    settings += '[masking]\nmode = "static"\nmax_predictions = 20\n[output]\npath = "data"\nshards = 2\nvalidation = 0.1\n'
    (tmp_path / "prepare.toml").write_text(settings, "utf-8")
    for command in (["vocab", "vocab.toml"], ["prepare", "prepare.toml"]):
        subprocess.run([PROGRAM, *command, "--quiet"], cwd=tmp_path, check=True)
    assert vocabulary.read_bytes() == (tmp_path / "vocab.txt").read_bytes()
    assert files_of(prepared("nsp")) == files_of(tmp_path / "data")
    # From the file, too; `out` and `overrides` lie over it.
    made = quanci.prepare(tmp_path / "prepare.toml", out=tmp_path / "other", overrides=["instances.copies=2"], threads=1)
    assert made["path"] == str(tmp_path / "other")
    assert files_of(tmp_path / "other") == files_of(tmp_path / "data")


def test_progress(vocabulary: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    made = quanci.prepare(settings_of("nsp-dynamic", vocabulary, tmp_path / "data"), progress=told.append)
    assert made["counters"]["train"]["instances"] == len(quanci.open(tmp_path / "data"))
    assert told[-1]["stage"] == "commit" and told[-1]["documents"] > 50 and told[-1]["rows"] > 500
    assert set(told[-1]) == {"stage", "tasks", "done", "all", "bytes", "documents", "rows"}


def test_settings_are_checked_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(quanci.SettingsError) as raised:
        quanci.prepare({"corpus": [{"paths": ["a"], "format": "paragraph"}], "masking": {"prob": 2}, "sed": 1})
    assert len(raised.value.problems) >= 4 and raised.value.exit_code == 2
    told = str(raised.value)
    for words in ("`corpus[0].format`", "`masking.prob`", "`sed`", "`vocab`"):
        assert words in told, told
    with pytest.raises(quanci.SettingsError, match=r"`corpus\[0\]` is None"):
        quanci.prepare({"corpus": [None]})
    with pytest.raises(TypeError, match="not set"):
        quanci.prepare({"corpus": [{"paths": {"a"}}]})
    with pytest.raises(quanci.InputOutputError, match="nowhere.toml"):
        quanci.train_vocab(tmp_path / "nowhere.toml")
    with pytest.raises(quanci.SettingsError, match="share of the documents"):
        quanci.prepare({}, sample="all")


def test_rejects_have_a_class(vocabulary: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "好"}\n' + "no json\n" * 99, "utf-8")
    corpus = [{"paths": [tmp_path / "bad.jsonl"], "format": "jsonl"}]
    settings = {**settings_of("nsp", vocabulary, tmp_path / "data"), "corpus": corpus}
    with (
        pytest.warns(quanci.Warning, match="99 of the first 100 records are rejected"),
        pytest.raises(quanci.TooManyRejects, match="99 of 100 records were rejected") as raised,
    ):
        quanci.prepare(settings)
    assert raised.value.exit_code == 4


def test_an_exception_of_progress_stops_the_job(vocabulary: Path, tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("enough")

    settings = settings_of("nsp", vocabulary, tmp_path / "data")
    with pytest.raises(RuntimeError, match="enough"):
        quanci.prepare(settings, progress=fail)
    # And the same call goes on.
    assert quanci.prepare(settings)["data_id"] == quanci.open(tmp_path / "data").manifest["data_id"]


def test_other_threads_go_on(vocabulary: Path, tmp_path: Path) -> None:
    """The interpreter's lock is released: this thread counts while another prepares."""
    settings = settings_of("nsp", vocabulary, tmp_path / "data")
    worker = threading.Thread(target=quanci.prepare, args=(settings,))
    began = time.monotonic()
    worker.start()
    longest, last = 0.0, began
    while worker.is_alive():
        time.sleep(0.001)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    took = last - began
    assert longest < took / 2, f"held for {longest:.2f} of {took:.2f} s"


def test_ctrl_c(vocabulary: Path, tmp_path: Path) -> None:
    """Much text, so that it takes a while; the signal comes when the work has begun."""
    text = (SAMPLES / "public-domain/statutes-prc.txt").read_text("utf-8")
    (tmp_path / "much.txt").write_text(text * 400, "utf-8")
    script = f"""
import os, signal, quanci
# A shell that starts commands in the background lets them ignore the signal, and Python then leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
def on(progress):
    if progress["documents"] > 0:
        os.kill(os.getpid(), signal.SIGINT)
try:
    quanci.prepare({{"vocab": {str(vocabulary)!r}, "corpus": [{{"paths": ["much.txt"], "format": "paragraphs"}}],
        "clean": {{"dedup": False}}, "output": {{"path": "data"}}}}, progress=on, threads=1)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "interrupted\n", done.stderr
    assert not (tmp_path / "data/manifest.json").exists()
