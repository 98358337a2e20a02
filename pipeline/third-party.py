#!/usr/bin/env python3
"""Prints the licences of what `quanci` is made of: each text once, with the crates that are under it.

    pipeline/third-party.py TRIPLE                  the program
    pipeline/third-party.py TRIPLE quanci-python    the module of the Python package, which has all of the program

Reads `cargo metadata` and the sources that Cargo has fetched, nothing else; the same Cargo.lock gives the same text.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

PROGRAM = "quanci-pipeline"
LICENCE_FILE = re.compile(r"(?i)^(licen[cs]e|copying|copyright|notice|unlicense)([-._ ].*)?$")
# Sources carry C libraries with licences of their own; their tests and tools are not in the program.
SKIPPED = {"tests", "test", "benches", "examples", "fuzz", "doc", "docs", "contrib", "programs", "tools", "target"}
LINE = "=" * 100


def crates(triple: str, program: str) -> list[dict[str, Any]]:
    """The packages of others whose code is in the program, by name and version."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", triple]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found: set[str] = set()
    waiting = [key for key, package in packages.items() if package["name"] == program]
    while waiting:
        key = waiting.pop()
        if key in found:
            continue
        found.add(key)
        for dependency in nodes[key]["deps"]:
            # Tests and build scripts are not in the program.
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    others = [packages[key] for key in found if packages[key]["source"]]
    # Macros run while the program is compiled.
    others = [package for package in others if not any("proc-macro" in target["kind"] for target in package["targets"])]
    return sorted(others, key=lambda package: (package["name"], package["version"]))


def licence_files(folder: Path, depth: int = 3) -> list[Path]:
    """The licence files in a package's sources."""
    entries = sorted(folder.iterdir())
    found = [entry for entry in entries if entry.is_file() and LICENCE_FILE.match(entry.name) and entry.suffix != ".rs"]
    for entry in entries:
        if entry.is_dir() and depth > 0 and entry.name not in SKIPPED and not entry.name.startswith("."):
            found += licence_files(entry, depth - 1)
    return found


def main() -> None:
    """Prints the licences for a target."""
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    packages = crates(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else PROGRAM)
    texts: dict[str, str] = {}
    users: dict[str, list[str]] = defaultdict(list)
    without: list[str] = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        folder = Path(package["manifest_path"]).parent
        files = licence_files(folder)
        for file in files:
            text = file.read_text("utf-8", "replace").strip()
            key = " ".join(text.split())
            texts.setdefault(key, text)
            own = name if file.parent == folder else f"{name}, {file.parent.relative_to(folder)}"
            if own not in users[key]:
                users[key].append(own)
        if not files:
            authors = ", ".join(re.sub(r" <.*", "", author) for author in package["authors"]) or "its authors"
            without.append(f"{name}: {package['license']}; by {authors}; {package['repository'] or package['homepage'] or ''}".rstrip("; "))
    print("quanci is under the Apache License 2.0 (LICENSE). It contains the following, under these licences. Words are found")
    print("with the dictionary of jieba (MIT, Copyright (c) 2013 Sun Junyi). The standard library of Rust is under MIT or")
    print("Apache-2.0 (https://www.rust-lang.org). A program for Linux of one file contains the GNU C Library, under the LGPL 2.1")
    print("or later (https://www.gnu.org/software/libc/): its source is there, and `pipeline/archive.sh` in quanci's source links")
    print("quanci with another version of it.\n")
    for package in packages:
        print(f"{package['name']} {package['version']}: {package['license']}")
    if without:
        print(f"\n{LINE}\nTheir packages hold no text of the licence that they name:\n")
        print("\n".join(without))
    for key in sorted(texts, key=lambda key: users[key][0]):
        print(f"\n{LINE}\n" + "\n".join(users[key]) + f"\n{LINE}\n\n{texts[key]}")


if __name__ == "__main__":
    main()
