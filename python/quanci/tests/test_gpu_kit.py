"""What `tests/gpu.sh` measures quanci-train beside, at tiny size on a CPU. `cargo test` runs the other parts of that kit."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_steps_of_transformers_are_timed(prepared: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    if not (ROOT / "tests/gpu/hugging_face.py").exists():
        pytest.skip("tests/gpu belongs to the repository")
    data = prepared("nsp-dynamic")
    vocabulary = json.loads((data / "manifest.json").read_text())["vocabulary"]["size"]
    model = tmp_path / "model.json"
    model.write_text(
        json.dumps(
            {
                "vocab_size": vocabulary,
                "hidden_size": 32,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 64,
            }
        )
    )
    command = [sys.executable, ROOT / "tests/gpu/hugging_face.py", data, model, "--device", "cpu", "--precision", "fp32"]
    command += ["--threads", "1", "--micro-batch", "4", "--steps", "2", "--warmup", "1"]
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    timed = json.loads(ran.stdout.splitlines()[-1])
    assert timed["tokens_per_second"] > 0 and timed["rows_per_second"] > 0
    # A model that knows nothing: the logarithms of the choices, of tokens and of labels.
    assert timed["loss"] == pytest.approx(math.log(vocabulary) + math.log(2), abs=1.5)
