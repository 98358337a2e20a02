"""The module written in Rust. Not for direct use: the package's functions and classes are made of it."""

from collections.abc import Callable, Mapping

__version__: str

class DataSet:
    def __init__(self, path: str, cache_folder: str | None, cache_gb: int) -> None: ...
    @property
    def folder(self) -> str: ...
    def manifest_json(self) -> str: ...
    def vocabulary(self) -> list[str]: ...
    def rows(self, name: str, copy: int) -> int: ...
    def files(self, name: str, copy: int) -> list[str]: ...
    def row(self, name: str, copy: int, index: int) -> dict[str, object]: ...
    def draw_masks(
        self, name: str, copy: int, index: int, seed: int, epoch: int, masking: str
    ) -> tuple[list[int], list[int]]: ...

class Batches:
    def __init__(
        self,
        sources: list[tuple[str, float]],
        split_name: str,
        options: str,
        rank: int,
        world_size: int,
        cache_folder: str | None,
        cache_gb: int,
    ) -> None: ...
    def identity(self) -> list[str]: ...
    def first(self, epoch: int) -> int: ...
    def validation(self) -> tuple[int, int]: ...
    def stream(self, first: int, step: int) -> BatchStream: ...

class BatchStream:
    def next(self) -> list[Row] | None: ...

class Row:
    """A row with its masks, as `PretrainingDataset` gives it. `len(row)` is the number of its tokens."""

    def __len__(self) -> int: ...
    @property
    def input_ids(self) -> list[int]:
        """What the model sees: the ids, masks laid in."""

    @property
    def masked_lm_positions(self) -> list[int]:
        """Positions of the masked tokens, ascending."""

    @property
    def masked_lm_labels(self) -> list[int]:
        """The original ids there."""

    @property
    def segment_b(self) -> int | None:
        """Position of segment B's first token; none if there is no B."""

    @property
    def next_sentence_label(self) -> int | None:
        """0 = B follows A, 1 = random (`sop`: swapped); none if there is no B."""

    @property
    def key(self) -> tuple[int, int, int]:
        """(data set, file, row in the file): where it lies, the same in every epoch."""

class Segmenter:
    def __init__(self, user_dict: str | None, hmm: bool, traditional_as_simplified: bool) -> None: ...
    def segment(self, text: str) -> list[str]: ...

class Tokenizer:
    def __init__(
        self,
        path: str,
        lowercase: bool,
        plain_marks: bool,
        user_dict: str | None,
        hmm: bool,
        traditional_as_simplified: bool,
    ) -> None: ...
    def __len__(self) -> int: ...
    def warnings(self) -> list[str]: ...
    def token(self, id: int) -> str: ...
    def id(self, token: str) -> int | None: ...
    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]], list[bool]]: ...

def collate(
    rows: list[Row], pad_to: int | None, multiple: int
) -> tuple[int, int, list[tuple[str, bytearray]], bool]: ...
def prepare(
    path: str,
    settings: str | None,
    overrides: list[str],
    out: str | None,
    threads: int,
    force: bool,
    sample: str | None,
    progress: Callable[[Mapping[str, object]], object] | None,
    warn: Callable[[str], object],
) -> str: ...
def train_vocab(
    path: str,
    settings: str | None,
    overrides: list[str],
    out: str | None,
    threads: int,
    force: bool,
    progress: Callable[[Mapping[str, object]], object] | None,
    warn: Callable[[str], object],
) -> str: ...
def verify(folder: str, threads: int) -> str: ...
def stats(folder: str, threads: int) -> str: ...
