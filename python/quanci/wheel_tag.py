"""The wheel's tag: Python 3.10 and later by its stable ABI. `auditwheel` then names the glibc."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelTag(BuildHookInterface[Any]):
    """Names the platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        for name in ("python/quanci/_native.abi3.so", "bin/quanci"):
            if not Path(self.root, name).exists():
                raise SystemExit(f"{name} is not there: python/build.sh builds it, and packs the wheel")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp310-abi3-linux_{platform.machine()}"
