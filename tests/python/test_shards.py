"""The libraries that people read Parquet with see the same columns, types and values, and the tokenizer's files fit."""

import duckdb
import polars
import pyarrow
import pyarrow.parquet
import pytest
from batch import open_shards
from datasets import List, Value
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertTokenizerFast

NAMES = [
    "input_ids",
    "segment_b",
    "word_starts",
    "next_sentence_label",
    "masked_lm_positions",
    "masked_lm_inputs",
    "document",
    "source",
]
INT32, BOOL = pyarrow.list_(pyarrow.field("element", pyarrow.int32(), False)), pyarrow.list_(pyarrow.field("element", pyarrow.bool_(), False))
SOURCE = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
# Per column: pyarrow, polars, DuckDB, datasets.
TYPES = [
    (INT32, polars.List(polars.Int32), "INTEGER[]", List(Value("int32"))),
    (pyarrow.int32(), polars.Int32, "INTEGER", Value("int32")),
    (BOOL, polars.List(polars.Boolean), "BOOLEAN[]", List(Value("bool"))),
    (pyarrow.int8(), polars.Int8, "TINYINT", Value("int8")),
    (INT32, polars.List(polars.Int32), "INTEGER[]", List(Value("int32"))),
    (INT32, polars.List(polars.Int32), "INTEGER[]", List(Value("int32"))),
    (pyarrow.uint64(), polars.UInt64, "UBIGINT", Value("uint64")),
    (SOURCE, polars.Categorical, "VARCHAR", Value("string")),
]


def columns(table):
    """A pyarrow table as plain lists."""
    return {name: table.column(name).to_pylist() for name in table.column_names}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_library_reads_the_same(data_set, split):
    files = data_set.files(split)
    tables = [pyarrow.parquet.read_table(file) for file in files]
    assert all(table.schema.names == NAMES and table.schema.types == [types[0] for types in TYPES] for table in tables)
    expected = columns(pyarrow.concat_tables(tables, promote_options="permissive"))
    assert len(expected["input_ids"]) == data_set.rows(split) > 0

    by_polars = polars.read_parquet(files)
    assert by_polars.columns == NAMES and by_polars.dtypes == [types[1] for types in TYPES]
    assert by_polars.to_dict(as_series=False) == expected

    query = duckdb.sql(f"SELECT * FROM read_parquet({files!r})")
    assert query.columns == NAMES and [str(kind) for kind in query.types] == [types[2] for types in TYPES]
    assert dict(zip(NAMES, map(list, zip(*query.fetchall())))) == expected

    by_datasets = open_shards(data_set.folder)[0]
    assert set(by_datasets) == {"train", "validation"}
    assert by_datasets[split].features == dict(zip(NAMES, (types[3] for types in TYPES)))
    assert by_datasets[split].to_dict() == expected


def test_rows_are_as_the_manifest_says(data_set):
    for shard in data_set.manifest["shards"]:
        file = pyarrow.parquet.ParquetFile(data_set.folder / shard["path"])
        assert file.metadata.num_rows == shard["rows"]
        keys = file.metadata.metadata
        assert keys[b"quanci.data_id"].decode() == data_set.manifest["data_id"]
        assert sum(map(len, file.read(["input_ids"]).column(0).to_pylist())) == shard["tokens"]


def test_masks_and_pairs_are_there_when_they_should(data_set):
    manifest, (splits, _) = data_set.manifest, open_shards(data_set.folder)
    dynamic, paired = manifest["masking"]["mode"] == "dynamic", manifest["objective"] != "mlm"
    for split, rows in splits.items():
        for row in rows:
            assert (row["masked_lm_positions"] is None) == (dynamic and split == "train")
            assert (row["segment_b"] is not None) == (row["next_sentence_label"] is not None) == paired
    labels = set(splits["train"]["next_sentence_label"])
    assert labels == ({0, 1} if paired else {None})


def first_segments(data_set, wanted):
    """A's ids of rows without [UNK], for decoding would lose what it stood for."""
    specials = data_set.manifest["vocabulary"]["specials"]
    for row in open_shards(data_set.folder)[0]["train"]:
        ids = row["input_ids"][1 : (row["segment_b"] or len(row["input_ids"])) - 1]
        # A ## piece in front is a word cut by truncation: alone it would be cut another way.
        if specials["unk"] not in ids and wanted > 0:
            wanted -= 1
            yield ids


def test_the_tokenizer_gives_the_ids_that_the_shards_hold(data_set):
    plain = Tokenizer.from_file(str(data_set.folder / "tokenizer.json"))
    by_transformers = [AutoTokenizer.from_pretrained(data_set.folder), BertTokenizerFast.from_pretrained(data_set.folder)]
    specials = data_set.manifest["vocabulary"]["specials"]
    for tokenizer in by_transformers:
        assert tokenizer.vocab_size == data_set.manifest["vocabulary"]["size"]
        named = {name: getattr(tokenizer, f"{name}_token_id") for name in specials}
        assert named == specials
    tried = 0
    for ids in first_segments(data_set, 200):
        pieces = [plain.id_to_token(id) for id in ids]
        if pieces[0].startswith("##"):
            continue  # a word cut by truncation
        text = " ".join(pieces).replace(" ##", "")
        framed = [specials["cls"], *ids, specials["sep"]]
        assert plain.encode(text).ids == framed
        assert all(tokenizer(text)["input_ids"] == framed for tokenizer in by_transformers)
        tried += 1
    assert tried > 100


def test_a_pair_is_framed_as_in_the_shards(prepared):
    tokenizer = AutoTokenizer.from_pretrained(prepared("nsp").folder)
    encoded = tokenizer("今天天气不错", "我们去公园。")
    b = len(tokenizer("今天天气不错")["input_ids"])
    assert encoded["token_type_ids"] == [0] * b + [1] * (len(encoded["input_ids"]) - b)
    assert encoded["input_ids"][b - 1] == encoded["input_ids"][-1] == prepared("nsp").manifest["vocabulary"]["specials"]["sep"]
