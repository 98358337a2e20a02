#!/usr/bin/env python3
"""Compares the readers with CPython's csv and json, and with pyarrow, on generated files.

    cargo build --release -p quanci-pipeline --example documents
    python3 tests/readers.py [--runs 3000] [--seed 1]

Wherever the other reader accepts a record, the readers must give the same text; what it refuses, they may read or count,
but every record is a document or a counted drop. Without pyarrow (`pip install pyarrow`) its part is skipped, with a word.
The program lies in target/release/examples, or in the folder that the variable QUANCI_EXAMPLES names.
"""

import argparse
import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet
except ImportError:
    pyarrow = None

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = Path(os.environ.get("QUANCI_EXAMPLES", ROOT / "target/release/examples"))
PIECES = ["今天", "天气很好。", "a", "7", " ", ",", ";", "\t", "|", '"', '""', "\\", "\n", "\r\n", "'", "_!_", "{", "]", "\u3000", "😀", "é"]


class Reader:
    """The example `documents`, which answers one request after the other."""

    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen([EXAMPLES / "documents"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self, content, format, field, table=None, encoding=None):
        path = self.folder / "input"
        path.write_bytes(content)
        request = {"path": str(path), "format": format, "text_field": [field], "table": table or {}, "encoding": encoding}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer["error"] is None:
            out = len(answer["documents"]) + sum(answer["dropped"].values())
            assert out == answer["records"], (answer, content)
        return answer


def document(text):
    """A text as documents have it: one kind of line end, none at the end; blank text is empty."""
    if not text.strip():
        return ""
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    return text.rstrip("\n")


def some_text(rng, most=8):
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(most)))


def compare(what, expected, answer, content):
    found = [document(text) for text in answer["documents"]]
    expected = [document(text) for text in expected]
    if found != expected or answer["error"]:
        sys.exit(f"{what}: {content!r}\n  expected {expected}\n  found    {found}\n  {answer}")


# --- Tables --------------------------------------------------------------------------------------------------------


def tables(reader, rng):
    """A table as CPython writes it, with any of its dialects; and the same read by CPython and by pyarrow."""
    separator = rng.choice([",", ";", "\t", "|"])
    escape = rng.choice([None, None, "\\"])
    header = rng.random() < 0.7
    width = rng.randrange(2, 5)
    column = rng.randrange(width)
    names = [f"c{i}" for i in range(width)]
    rows = [[some_text(rng) for _ in range(width)] for _ in range(rng.randrange(1, 12))]
    # An escape before a line end within quotes, or alone at an end, is read differently by each program.
    if escape:
        rows = [[field.replace("\\", "") for field in row] for row in rows]
    output = io.StringIO(newline="")
    end = rng.choice(["\n", "\r\n"])
    dialect = {"delimiter": separator, "lineterminator": end, "quoting": csv.QUOTE_ALL if escape else rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])}
    if escape:
        dialect |= {"escapechar": escape, "doublequote": False}
    csv.writer(output, **dialect).writerows(([names] if header else []) + rows)
    text = output.getvalue()
    content = text.encode()
    table = {"separator": separator, "header": header}
    if escape:
        table["escape"] = escape
    field = names[column] if header else str(column + 1)
    answer = reader.read(content, "csv", field, table, "utf-8")
    read = {key: value for key, value in dialect.items() if key in ("delimiter", "escapechar", "doublequote")}
    expected = [row[column] for row in csv.reader(io.StringIO(text, newline=""), **read)][1 if header else 0:]
    assert expected == [row[column] for row in rows], (expected, rows)
    compare("csv", expected, answer, content)
    if pyarrow:
        parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True, double_quote=not escape, escape_char=escape or False)
        convert = pyarrow.csv.ConvertOptions(column_types={name: pyarrow.string() for name in names}, strings_can_be_null=False)
        options = pyarrow.csv.ReadOptions(column_names=None if header else names)
        there = pyarrow.csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=convert, read_options=options)
        compare("pyarrow's csv", there[names[column]].to_pylist(), answer, content)


def lines_of_fields(reader, rng):
    """Rows that are lines, with separators of several characters: fields are what `str.split` gives."""
    separator = rng.choice(["_!_", "||", "，", "\t"])
    width, column = 3, rng.randrange(3)
    clean = lambda text: text.replace("\n", "").replace("\r", "").replace(separator, "").replace('"', "").replace("|", "").replace("_", "")
    rows = [["x" + clean(some_text(rng)) for _ in range(width)] for _ in range(rng.randrange(1, 12))]
    content = "".join(separator.join(row) + "\n" for row in rows).encode()
    answer = reader.read(content, "tsv", str(column + 1), {"separator": separator, "header": False}, "utf-8")
    lines = content.decode().rstrip("\n").split("\n")
    compare("lines", [line.split(separator)[column] for line in lines], answer, content)


# --- JSON ----------------------------------------------------------------------------------------------------------


def some_value(rng, depth=0):
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, -1, 3.5, 1e300, float("inf"), float("nan"), 10**40])
    if kind < 6:
        return some_text(rng) + rng.choice(["", "", "\ud83d", "\udc00x"])
    if kind < 8:
        return [some_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice(["a", "b", "text", "a.b", 'q"']): some_value(rng, depth + 1) for _ in range(rng.randrange(3))}


def strings(value):
    if isinstance(value, str):
        return [value]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else []


def json_text(record):
    """The text that the field `text` of a record has: its string, or the strings of its arrays."""
    found = strings(record["text"]) if isinstance(record, dict) and "text" in record else []
    whole = "\n".join(found)
    # Halves of surrogate pairs, which no text can hold.
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in whole) if found else None


def values_of_json(reader, rng):
    records = [{"id": i, "x": some_value(rng), "text": some_value(rng), "y": some_value(rng)} for i in range(rng.randrange(1, 8))]
    ascii = rng.random() < 0.5
    # Without escapes a half of a pair cannot be written.
    dump = lambda value, **more: json.dumps(value, ensure_ascii=ascii or "\\ud" in json.dumps(value), **more)
    lines = [dump(record) for record in records]
    if rng.random() < 0.3:
        at = rng.randrange(len(lines))
        cut = rng.randrange(len(lines[at]))
        lines[at] = (lines[at][:cut] + rng.choice(PIECES + ["x"]) + lines[at][cut + rng.randrange(2):]).replace("\n", " ").replace("\r", " ")
    expected = []
    for line in lines:
        try:
            expected.append(json_text(json.loads(line)))
        except json.JSONDecodeError:
            expected.append(False)
    content = "\n".join(lines).encode("utf-8")
    answer = reader.read(content, "jsonl", "text", encoding="utf-8")
    if False not in expected:
        compare("jsonl", [text for text in expected if text is not None], answer, content)
        # The same records in an array, on one line each or spread over lines.
        parsed = [json.loads(line) for line in lines]
        for array in [dump(parsed), dump(parsed, indent=1), "".join(dump(record, indent=2) + "\n" for record in parsed)]:
            answer = reader.read(array.encode(), "json", "text", encoding="utf-8")
            compare("json", [text for text in expected if text is not None], answer, array)
    elif answer["error"] is None:
        kept = [document(text) for text in expected if text not in (None, False)]
        rest = iter(document(text) for text in answer["documents"])
        assert all(text in rest for text in kept), (content, kept, answer)


# --- Parquet -------------------------------------------------------------------------------------------------------


def columns_of_parquet(reader, rng):
    """A table of odd names and types, written by pyarrow, read by both."""
    rows = rng.randrange(1, 30)
    texts = [rng.choice([None, some_text(rng)]) for _ in range(rows)]
    lists = [None if rng.random() < 0.2 else [some_text(rng) for _ in range(rng.randrange(3))] for _ in range(rows)]
    kinds = [pyarrow.string(), pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), pyarrow.string_view()]
    pairs = [[("text", text or ""), ("other", "x")] for text in texts]
    struct = pyarrow.array([{"text": text, "n": 1} for text in texts], pyarrow.struct([("text", pyarrow.string()), ("n", pyarrow.int64())]))
    name = rng.choice(["text", "a.b", "item", "list", "正文 内容", "element"])
    columns = {
        name: (pyarrow.array(texts).cast(rng.choice(kinds)), texts, name),
        "lists": (pyarrow.array(lists, pyarrow.list_(pyarrow.string())), lists, "lists"),
        "array": (struct, texts, "array.text"),
        "map": (pyarrow.array(pairs, pyarrow.map_(pyarrow.string(), pyarrow.string())), [text or "" for text in texts], "map.text"),
        "nulls": (pyarrow.nulls(rows), [None] * rows, "nulls"),
    }
    table = pyarrow.table({key: column for key, (column, _, _) in columns.items()})
    output = io.BytesIO()
    options = {"compression": rng.choice(["snappy", "zstd", "none", "gzip", "brotli", "lz4"]), "use_dictionary": rng.random() < 0.5,
               "data_page_version": rng.choice(["1.0", "2.0"]), "row_group_size": rng.choice([3, 1000]), "use_compliant_nested_type": rng.random() < 0.5}
    pyarrow.parquet.write_table(table, output, **options)
    for _, values, field in columns.values():
        answer = reader.read(output.getvalue(), "parquet", field)
        joined = ["\n".join(value) if isinstance(value, list) and value else value for value in values]
        compare(f"parquet {field}", [text for text in joined if isinstance(text, str)], answer, values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kinds = [tables, lines_of_fields, values_of_json] + ([columns_of_parquet] if pyarrow else [])
    if not pyarrow:
        print("pyarrow is not installed: its part is skipped", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder))
        for run in range(options.runs):
            kinds[run % len(kinds)](reader, rng)
    print(f"{options.runs} files read alike: {', '.join(kind.__name__ for kind in kinds)}")


if __name__ == "__main__":
    main()
