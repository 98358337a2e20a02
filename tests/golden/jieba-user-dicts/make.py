"""Writes user dictionaries, and the words that jieba 0.42.1 finds with each, for pipeline/tests/user_dicts.rs.

    pip install jieba==0.42.1 zstandard
    python3 make.py OUT.json.zst [--seed N] [--dictionaries N] [--lines N] TEXT...

`golden.json.zst` was made with the default values from the files of corpora/samples (all .txt). To try others, write them
elsewhere and set QUANCI_USER_DICTS to that file for the test.
"""

import argparse
import io
import json
import logging
import random
import re

import jieba
import zstandard

# jieba-rs 0.11 keeps names such as WES-5.4.5 whole, and looks up Hanzi beyond U+9FD5; jieba 0.42.1 does neither.
OTHER_RULES = re.compile("[A-Za-z0-9][._-][A-Za-z0-9]|[\u3400-\u4dbf\u9fd6-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")
HANZI = re.compile("[\u4e00-\u9fd5]{2,}")


def dictionary(random, lines, words):
    """Substrings of the text, words that are known already, and layouts of all kinds."""
    entries = []
    for _ in range(random.randint(1, 60)):
        run = random.choice(HANZI.findall(random.choice(lines)) or ["全词"])
        length = random.choice([1, 2, 2, 3, 4, 6])
        at = random.randrange(max(1, len(run) - length + 1))
        word = random.choice([run[at : at + length], random.choice(words), run[at : at + 2] + " " + run[:2]])
        count = random.choice(["", "", " 0", " 1", f" {random.randint(2, 3000)}", " 500000"])
        entries.append(word + count + random.choice(["", " n", " nz"]))
    return "\n".join(entries) + random.choice(["", "\n", "\n\n"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("text", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dictionaries", type=int, default=24)
    parser.add_argument("--lines", type=int, default=60)
    arguments = parser.parse_args()
    jieba.setLogLevel(logging.ERROR)
    chance = random.Random(arguments.seed)
    lines = [line.strip() for path in arguments.text for line in open(path, encoding="utf-8")]
    lines = sorted({line for line in lines if len(line) > 10 and not OTHER_RULES.search(line)})
    known = [word for line in chance.sample(lines, min(200, len(lines))) for word in jieba.cut(line, HMM=False)]
    known = sorted({word for word in known if HANZI.fullmatch(word)})
    cases = []
    for _ in range(arguments.dictionaries):
        text = dictionary(chance, lines, known)
        jieba.finalseg.Force_Split_Words.clear()
        tokenizer = jieba.Tokenizer()
        tokenizer.load_userdict(io.BytesIO(text.encode()))
        # Lines that hold a word of the dictionary, and some others.
        entries = [re.sub("( [0-9]+)?( [a-z]+)?$", "", entry) for entry in text.split("\n") if entry]
        with_words = [line for line in lines if any(entry in line for entry in entries)]
        chosen = chance.sample(with_words, min(arguments.lines, len(with_words))) + chance.sample(lines, min(10, len(lines)))
        sentences = [
            {"text": line, "hmm": "/".join(map(len_of, tokenizer.cut(line))), "plain": "/".join(map(len_of, tokenizer.cut(line, HMM=False)))}
            for line in chosen
        ]
        cases.append({"dictionary": text, "sentences": sentences})
    content = json.dumps(cases, ensure_ascii=False).encode()
    open(arguments.out, "wb").write(zstandard.ZstdCompressor(level=19).compress(content))
    print(len(cases), "dictionaries,", sum(len(case["sentences"]) for case in cases), "sentences,", len(content), "bytes")


def len_of(word):
    return str(len(word))


main()
