"""`quanci.open`: the same rows as other readers of the files have."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import quanci


def test_what_a_data_set_says_of_itself(prepared: Callable[[str], Path], vocabulary: Path) -> None:
    folder = prepared("nsp")
    data = quanci.open(folder)
    assert data.manifest == json.loads((folder / "manifest.json").read_text("utf-8"))
    assert data.vocabulary == vocabulary.read_text("utf-8").split("\n")[:-1]
    assert data.splits == {"train": len(data), "validation": len(data.split("validation"))}
    assert data.copies == 2 and data.split_name == "train" and len(data.split("train", 1)) > 0
    assert repr(data) == f"DataSet({str(folder)!r}, split='train', {len(data)} rows)"


@pytest.mark.parametrize("kind", ["nsp", "mlm-dynamic"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_rows_are_those_of_the_files(prepared: Callable[[str], Path], kind: str, split: str) -> None:
    pytest.importorskip("pyarrow")
    data = quanci.open(prepared(kind), split=split)
    table = data.to_arrow().to_pylist()
    assert len(table) == len(data) > 50
    assert list(data) == table
    assert data[3:10:2] == table[3:10:2] and data[-1] == table[-1]
    for index in (len(data), -len(data) - 1):
        with pytest.raises(IndexError, match=f"row {index} of {len(data)}"):
            data[index]


def test_other_libraries_forms(prepared: Callable[[str], Path]) -> None:
    data = quanci.open(prepared("nsp-dynamic"))
    rows = data[:50]
    datasets = pytest.importorskip("datasets")
    assert isinstance(data.to_hf(), datasets.Dataset) and data.to_hf().select(range(50)).to_list() == rows
    polars = pytest.importorskip("polars")
    assert isinstance(data.to_polars(), polars.DataFrame) and data.to_polars().head(50).to_dicts() == rows


def test_a_missing_package_is_named(prepared: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ModuleNotFoundError, match=r"to_polars\(\) needs the package polars: pip install polars"):
        quanci.open(prepared("nsp")).to_polars()


def test_bad_input(prepared: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(quanci.InputOutputError, match="no manifest.json"):
        quanci.open(tmp_path)
    with pytest.raises(quanci.SettingsError, match='`split` must be "train" or "validation", not "test"'):
        quanci.open(prepared("nsp"), split="test")
    with pytest.raises(IndexError, match="copy 2 of 2"):
        quanci.open(prepared("nsp"), copy=2)
    damaged = tmp_path / "damaged"
    shutil.copytree(prepared("nsp"), damaged)
    shard = next(damaged.glob("copy-00/*.parquet"))
    bytes_ = bytearray(shard.read_bytes())
    bytes_[len(bytes_) // 3] ^= 0x55
    shard.write_bytes(bytes_)
    with pytest.raises(quanci.InputOutputError, match=shard.name) as raised:
        quanci.verify(damaged)
    assert raised.value.exit_code == 3
    shard.write_bytes(bytes_[:100])
    with pytest.raises(quanci.InputOutputError, match=shard.name):
        list(quanci.open(damaged))


def test_verify_and_stats(prepared: Callable[[str], Path]) -> None:
    folder = prepared("nsp")
    data = quanci.open(folder)
    rows = sum(len(data.split("train", copy)) for copy in range(2)) + len(data.split("validation"))
    assert quanci.verify(folder)["rows"] == rows
    counted = quanci.stats(folder)
    assert counted["data_id"] == data.manifest["data_id"]
    tables = counted.tables()
    assert sum(group["rows"] for group in tables["shards"]) == rows
    assert sum(length["rows"] for length in tables["lengths"]) == rows
    assert {source["source"] for source in tables["sources"]} == {"prose", "sentences", "qa", "laws"}
    for library in ("polars", "pandas"):
        module = pytest.importorskip(library)
        frames = counted.frames(library)
        assert isinstance(frames["lengths"], module.DataFrame) and frames["lengths"]["rows"].sum() == rows
    with pytest.raises(ValueError, match="polars"):
        counted.frames("numpy")
