"""Packages that are needed for one thing only, and are asked for when it is done."""

from __future__ import annotations

import importlib
from types import ModuleType


def needed(name: str, what: str) -> ModuleType:
    """The module `name`, or an error that says what needs it and how it is had."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        package = name.partition(".")[0]
        raise ModuleNotFoundError(f"{what} needs the package {package}: pip install {package}", name=name) from None
