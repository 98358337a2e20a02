"""The examples run, with two workers, and learn from the same rows in the same order."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NEEDED = {
    "plain_loop": ["torch", "transformers"],
    "transformers_trainer": ["torch", "transformers", "accelerate"],
    "accelerate_loop": ["torch", "transformers", "accelerate"],
    "lightning_module": ["torch", "transformers", "lightning"],
}


@pytest.mark.parametrize("name", NEEDED)
def test_an_example(prepared: Callable[[str], Path], name: str) -> None:
    for package in NEEDED[name]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    import torch

    torch.manual_seed(1)
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    losses = module.main(str(prepared("nsp-dynamic")))
    assert len(losses) >= 6
    # A random model guesses evenly: ln V for the piece, ln 2 for the pair.
    assert all(7 < loss < 10 for loss in losses), losses
