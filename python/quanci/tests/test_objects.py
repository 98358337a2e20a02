"""Data sets in an object store: the same rows as from a folder. Needs moto's S3 server, which QUANCI_MOTO names (tests/run.sh)."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import settings_of
from torch.utils.data import DataLoader

import quanci
from quanci.torch import Batch, PretrainingDataset, collate

MOTO = os.environ.get("QUANCI_MOTO", "")
pytestmark = pytest.mark.skipif(not Path(MOTO).is_file(), reason="no S3 server: QUANCI_MOTO names a moto_server")
BUCKET = "texts"


@pytest.fixture(scope="module")
def put() -> Iterator[Callable[[Path, str], None]]:
    """Copies a folder to a place in the bucket of a server, which the environment names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def request(path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("PUT", path, body)
        assert connection.getresponse().status == 200, path

    def folder(local: Path, place: str) -> None:
        for file in local.rglob("*"):
            if file.is_file():
                request(f"/{BUCKET}/{place}/{file.relative_to(local).as_posix()}", file.read_bytes())

    variables = {
        "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        for _ in range(600):
            try:
                request(f"/{BUCKET}", b"")
                break
            except OSError:
                time.sleep(0.1)
        yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def place(put: Callable[[Path, str], None], prepared: Callable[[str], Path]) -> str:
    put(prepared("nsp-dynamic"), "data")
    return f"s3://{BUCKET}/data"


def test_rows_are_those_of_the_folder(place: str, prepared: Callable[[str], Path], tmp_path: Path) -> None:
    local, remote = quanci.open(prepared("nsp-dynamic")), quanci.open(place, cache_folder=tmp_path)
    assert remote.folder == place and remote.manifest == local.manifest and remote.vocabulary == local.vocabulary
    assert len(remote) == len(local) and [remote[at] for at in (0, 7, -1)] == [local[at] for at in (0, 7, -1)]
    assert remote.split("validation").to_arrow().equals(local.split("validation").to_arrow())
    found, wanted = quanci.verify(place), quanci.verify(prepared("nsp-dynamic"))
    assert all(found[key] == wanted[key] for key in ("bytes", "files", "rows"))


def test_batches_are_those_of_the_folder(place: str, prepared: Callable[[str], Path], tmp_path: Path) -> None:
    def batches(data: str | Path | quanci.DataSet, workers: int) -> list[Batch]:
        rows = PretrainingDataset(data, batch_size=16, global_batch=64, lanes=4, seed=3, cache_folder=tmp_path)
        # Threads of the store's client do not live on in a process that is forked.
        how = "spawn" if workers else None
        loader = DataLoader(rows, batch_size=16, num_workers=workers, collate_fn=collate, multiprocessing_context=how)
        return list(loader)

    wanted = batches(prepared("nsp-dynamic"), 0)
    opened = quanci.open(place, cache_folder=tmp_path)
    for data, workers in ((place, 0), (opened, 0), (place, 2)):
        found = batches(data, workers)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted):
            assert one.keys() == other.keys()
            assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())  # type: ignore[literal-required, arg-type]


def test_a_forked_process_is_refused_in_words(place: str) -> None:
    rows = PretrainingDataset(place, batch_size=16)
    loader = DataLoader(rows, batch_size=16, num_workers=1, collate_fn=collate, multiprocessing_context="fork")
    with pytest.raises(Exception, match='multiprocessing_context="spawn"'):
        next(iter(loader))


def test_a_job_writes_to_the_store(place: str, prepared: Callable[[str], Path], vocabulary: Path) -> None:
    made = quanci.prepare(settings_of("mlm-dynamic", vocabulary, Path("unused")), out=f"s3://{BUCKET}/made")
    assert made["data_id"] == quanci.open(prepared("mlm-dynamic")).manifest["data_id"]
    assert quanci.open(f"s3://{BUCKET}/made")[0] == quanci.open(prepared("mlm-dynamic"))[0]


def test_what_is_not_there_is_told(put: Callable[[Path, str], None]) -> None:
    with pytest.raises(quanci.InputOutputError, match=f"s3://{BUCKET}/none"):
        quanci.open(f"s3://{BUCKET}/none")
