"""Statistics of a data set, as a dict and as data frames."""

from __future__ import annotations

from typing import Any

from quanci._optional import needed


class Stats(dict[str, Any]):
    """What `quanci stats` counts: a dict, as the program's `--json` has it under `stats`."""

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Its tables as lists of rows.

        - `shards`: `split`, `copy`, `files`, `rows`, `tokens`, `bytes`
        - `lengths`: `split`, `tokens`, `rows`: how many rows have so many tokens
        - `words`: `split`, `tokens` (4 is 4 and more), `words`, `pieces`, `masked`
        - `sources`: `split`, `source`, and the counts of each corpus
        """
        counts = [(split, self[split]) for split in ("train", "validation")]
        return {
            "shards": list(self["shards"]),
            "lengths": [
                {"split": split, "tokens": tokens, "rows": rows}
                for split, count in counts
                for tokens, rows in enumerate(count["lengths"])
                if rows
            ],
            "words": [
                {"split": split, "tokens": tokens, **words}
                for split, count in counts
                for tokens, words in enumerate(count["words"], 1)
            ],
            "sources": [
                {"split": split, "source": source, **of_source}
                for split, count in counts
                for source, of_source in count["sources"].items()
            ],
        }

    def frames(self, library: str = "polars") -> dict[str, Any]:
        """The tables of `tables()` as data frames of `polars` or `pandas`."""
        if library not in ("polars", "pandas"):
            raise ValueError(f'library must be "polars" or "pandas", not {library!r}')
        frame = needed(library, "frames()").DataFrame
        return {name: frame(rows) for name, rows in self.tables().items()}
