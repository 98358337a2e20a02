"""The wheel's tag: any Python 3, and the oldest glibc that has all that the program asks for."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelTag(BuildHookInterface[Any]):
    """Names the platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        program = Path(self.root, "quanci_train/bin/quanci-train")
        if not program.exists():
            raise SystemExit("quanci_train/bin/quanci-train is not there: python/build.sh train builds it")
        files = [program, *program.parent.glob("*.so")]
        needed = subprocess.run(["readelf", "--version-info", *files], capture_output=True, text=True, check=True).stdout
        versions = [tuple(map(int, found.split("."))) for found in re.findall(r"\bGLIBC_(2\.\d+)", needed)]
        major, minor = max(versions)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"
