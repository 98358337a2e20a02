"""Writes trainer/tests/golden/seqeval.json: what seqeval 1.2.2 makes of random labels, sound and not.

Run: python trainer/tests/python/golden_seqeval.py      (seqeval 1.2.2)
"""

import json
import pathlib
import random
import warnings

from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

warnings.filterwarnings("ignore")
draw = random.Random(7)
cases = []
for case in range(48):
    schemes = ["BI", "BIES", "BI"][case % 3]
    tags = ["O"] + [f"{tag}-{kind}" for tag in schemes for kind in ("PER", "LOC", "公司")]
    if case % 4 == 3:
        tags += ["B", "I"]

    def labels(length):
        out = []
        while len(out) < length:
            if draw.random() < 0.5:
                out.append("O")
            elif draw.random() < 0.7:
                kind = draw.choice(("PER", "LOC", "公司"))
                out += [f"B-{kind}"] + [f"I-{kind}"] * draw.randrange(3)
            else:
                out.append(draw.choice(tags))
        return out[:length]

    lengths = [draw.randrange(1, 12) for _ in range(draw.randrange(1, 5))]
    wanted = [labels(length) for length in lengths]
    predicted = [
        [label if draw.random() < 0.7 else draw.choice(tags) for label in sequence] if draw.random() < 0.8 else labels(len(sequence))
        for sequence in wanted
    ]
    report = classification_report(wanted, predicted, output_dict=True, zero_division=0)
    averages = {"micro avg", "macro avg", "weighted avg"}
    cases.append({
        "wanted": wanted,
        "predicted": predicted,
        "entities": [get_entities(sequence) for sequence in predicted],
        "f1": float(f1_score(wanted, predicted, zero_division=0)),
        "precision": float(precision_score(wanted, predicted, zero_division=0)),
        "recall": float(recall_score(wanted, predicted, zero_division=0)),
        "by_type": {kind: float(row["f1-score"]) for kind, row in report.items() if kind not in averages},
    })
path = pathlib.Path(__file__).parents[1] / "golden/seqeval.json"
path.write_text(json.dumps(cases, ensure_ascii=False) + "\n")
