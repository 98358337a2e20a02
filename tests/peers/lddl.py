"""What NVIDIA LDDL 0.1.0 computes, over a text with one sentence a line and blank lines between documents.

    lddl.py TEXT VOCABULARY OUTPUT

Its own functions make the documents' pairs with static masks of tokens, as its `_to_partition_pairs` does; it knows no words. Dask and
MPI, which would carry the work to other machines, and NLTK, which has no sentences of Chinese, are left out: reading
lines and writing one Parquet file, with LDDL's schema, are ours. Prints the instances.
"""

import random
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from unittest.mock import MagicMock


class LeftOut:
    """Imports of what is left out give objects that do nothing."""

    NAMES = ("dask", "nltk", "tlz", "fsspec", "requests", "tqdm")

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.NAMES else None

    def create_module(self, spec):
        module = ModuleType(spec.name)
        module.__getattr__ = lambda attribute: MagicMock()
        return module

    def exec_module(self, module):
        pass


def documents_of(path, tokenizer, lddl):
    documents, sentences = [], []
    with open(path, encoding="utf-8") as file:
        for line in [*file, ""]:
            line = line.strip()
            if line:
                tokens = tokenizer.tokenize(line, max_length=512, truncation=True)
                if tokens:
                    sentences.append(lddl.Sentence(tuple(tokens)))
            elif sentences:
                documents.append(lddl.Document(len(documents), tuple(sentences)))
                sentences = []
    return documents


def main():
    text, vocabulary, output = sys.argv[1:]
    import pyarrow as pa
    import pyarrow.parquet
    import transformers

    sys.meta_path.insert(0, LeftOut())
    from lddl.dask.bert import pretrain as lddl

    random.seed(12345)
    tokenizer = transformers.BertTokenizerFast(vocabulary)
    documents = documents_of(text, tokenizer, lddl)
    words = tuple(tokenizer.get_vocab())
    pairs = []
    for _ in range(5):
        for index in range(len(documents)):
            pairs += lddl.create_pairs_from_document(documents, index, max_seq_length=128, masking=True, vocab_words=words)
    random.shuffle(pairs)
    schema = pa.schema(
        {
            "A": pa.string(),
            "B": pa.string(),
            "is_random_next": pa.bool_(),
            "num_tokens": pa.uint16(),
            "masked_lm_positions": pa.binary(),
            "masked_lm_labels": pa.string(),
        }
    )
    pa.parquet.write_table(pa.Table.from_pylist(pairs, schema), output)
    print(len(pairs))


if __name__ == "__main__":
    # The package of this name must be found, not this file's folder.
    sys.path.pop(0)
    main()
