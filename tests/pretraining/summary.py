"""The table of the pretraining check: every model under both masks, and what the unit of the masks changes, with its error.

Usage: summary.py FOLDER, where run.sh left word-N/ and piece-N/ with eval-word.json and eval-piece.json.
"""

import json
import math
import sys
from pathlib import Path

UNITS = ["word", "piece"]
CLASSES = ["all", "hanzi", "hanzi_words_of_1", "hanzi_words_of_2", "hanzi_words_of_3", "hanzi_words_of_4_and_more"]
# Two-sided 95 % quantiles of Student's t, by degrees of freedom.
STUDENT = [math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def report(folder: Path, trained: str, seed: int, scored: str) -> dict:
    return json.loads((folder / f"{trained}-{seed}" / f"eval-{scored}.json").read_text())["report"]


def accuracy(report: dict, name: str) -> float:
    return next(100 * c["accuracy"] for c in report["classes"] if c["class"] == name)


def mean_and_error(values: list[float]) -> str:
    """The mean and half its 95 % interval over seeds."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return f"{mean:6.2f}        "
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return f"{mean:6.2f} ± {STUDENT[n - 1] * deviation / math.sqrt(n):.2f}"


def main() -> None:
    folder = Path(sys.argv[1])
    seeds = sorted(int(path.name.removeprefix("word-")) for path in folder.glob("word-*"))
    reports = {(t, s, m): report(folder, t, s, m) for t in UNITS for s in seeds for m in UNITS}
    print(f"held-out accuracy in %, mean and 95 % interval over {len(seeds)} seeds\n")
    print(f"{'scored by masks of':26} {'unigram':>8}  {'word-trained':>14} {'piece-trained':>14} {'word - piece':>16}")
    for masks in UNITS:
        guess = 100 * reports["word", seeds[0], masks]["unigram_guess"]
        for name in CLASSES:
            of = {t: [accuracy(reports[t, s, masks], name) for s in seeds] for t in UNITS}
            difference = [w - p for w, p in zip(of["word"], of["piece"])]
            shown = f"{guess:7.2f}" if name == "all" else ""
            label = f"{masks}: {name.replace('hanzi_words_of_', 'words of ').replace('_and_more', '+')}"
            columns = "  ".join(mean_and_error(values) for values in (of["word"], of["piece"], difference))
            print(f"{label:26} {shown:>8}  {columns}")
        losses = {t: [reports[t, s, masks]["mlm_loss"] for s in seeds] for t in UNITS}
        columns = "  ".join(
            mean_and_error(v) for v in (losses["word"], losses["piece"], [w - p for w, p in zip(*losses.values())])
        )
        print(f"{masks + ': loss':26} {'':>8}  {columns}\n")
    least = min(accuracy(reports[t, s, t], "all") / (100 * reports[t, s, t]["unigram_guess"]) for t in UNITS for s in seeds)
    print(f"every model, under its own masks, is right at least {least:.2f} times as often as the unigram guess (asked: 2)")
    sys.exit(least < 2)


if __name__ == "__main__":
    main()
