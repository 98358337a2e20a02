"""The program `quanci-train` with the libraries of the package `torch`.

The program is linked with libtorch and has no copy of it: it runs with the one of the `torch` that this Python would import,
wherever that lies. `torch` itself is not imported.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

__all__ = ["command", "libtorch", "main"]

TORCH = "2.11.0"
"""The version that the program is linked with."""

_INPUT_OUTPUT = 3


class TorchNotFound(Exception):
    """There is no `torch` of the right version."""


def libtorch() -> Path:
    """The folder of libtorch's libraries.

    Raises:
        TorchNotFound: if there is no package `torch`, or one of another version.
    """
    spec = find_spec("torch")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise TorchNotFound(f"quanci-train needs the package torch {TORCH}, which this Python has not: pip install torch=={TORCH}")
    folder = Path(places[0])
    lib = folder / "lib"
    try:
        found = re.search(r"__version__ = '([^']*)'", (folder / "version.py").read_text("utf-8"))
    except OSError as error:
        raise TorchNotFound(f"{folder} is no package of torch: {error}") from None
    version = found[1] if found else "unknown"
    # "2.11.0+cu130" and "2.11.0+cpu" are builds of the same version.
    if version.partition("+")[0] != TORCH:
        raise TorchNotFound(f"quanci-train is linked with torch {TORCH}; {folder} is torch {version}: pip install torch=={TORCH}")
    if not (lib / "libtorch_cpu.so").exists():
        raise TorchNotFound(f"{lib} has no libtorch_cpu.so: install torch {TORCH} again")
    return lib


def command() -> tuple[Path, dict[str, str]]:
    """The program, and the environment that it runs in: for `subprocess`.

    >>> import subprocess, quanci_train
    >>> program, environment = quanci_train.command()
    >>> subprocess.run([program, "pretrain", "run.toml"], env=environment, check=True)  # doctest: +SKIP
    """
    environment = dict(os.environ)
    before = environment.get("LD_LIBRARY_PATH")
    environment["LD_LIBRARY_PATH"] = f"{libtorch()}:{before}" if before else str(libtorch())
    return Path(__file__).parent / "bin/quanci-train", environment


def main() -> NoReturn:
    """Becomes the program, with the arguments of this process."""
    try:
        program, environment = command()
    except TorchNotFound as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(_INPUT_OUTPUT)
    os.execve(program, ["quanci-train", *sys.argv[1:]], environment)
