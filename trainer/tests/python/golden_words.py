"""Writes trainer/tests/golden/words.json: the words that nltk's NLTKWordTokenizer finds in texts that try every rule of it.

Run: python trainer/tests/python/golden_words.py      (nltk 3.10.4)
"""

import json
import pathlib
import random

from nltk.tokenize.destructive import NLTKWordTokenizer

FIXED = [
    "", " ", "good muffins cost $3.88 in new york.", "they'll save and invest more.", "hi, my name can't hello,", "u.s.a.", "u.s.a",
    '"quoted" text', "``quoted''", "he said \"yes\".", "(\"x\")", "'tis so", "'twas so", "cannot d'ye gimme gonna gotta lemme more'n wanna go",
    "wanna", "it's john's i'm he'd we'll they're we've don't", "'re 've 'hello' 'n", "a--b", "1,000 and a, b:c 12:30", "end...", "end.)", "a.b.",
    "x; y @z #1 5% a&b", "ok?!", "* star [b] {c} <d>", "«a» “b” ‘c’ „d", "3–4 — 5", "dogs' tails", "a.  ", "iphone 4s", "10.5 %", "ａｂｃ", "don't'", "'",
    "''", '"', "..", ". .", "a.\"'", "a)\"", "é'è l'eau", "x:", "x,", "15,2", ":3", "３００", "a`b``c",
]
PIECES = ["a", "b1", "dog", "can't", "'", '"', "``", "''", ".", "...", ",", ":", "3", "4.5", "$", "%", "(", ")", "[", "<", "--", "–", "“", "”", "’", "‘", "»",
          "cannot", "gonna", "wanna", "'s", "n't", "'ll", "?", "!", "*", " ", "  ", "é", "ｘ", "-", "/", "@", ";", "'tis", "more'n"]
draw = random.Random(11)
texts = FIXED + ["".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 9))) for _ in range(400)]
cases = [[text, NLTKWordTokenizer().tokenize(text)] for text in texts]
path = pathlib.Path(__file__).parents[1] / "golden/words.json"
path.write_text(json.dumps(cases, ensure_ascii=False) + "\n")
