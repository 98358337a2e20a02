"""Words and pieces of text."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import lru_cache

from quanci import _native
from quanci._errors import Warning


class Segmenter:
    """Finds words as `prepare` does with `segment.words = "jieba"`: those of jieba, and of a dictionary of your own.

    Args:
        user_dict: a dictionary as jieba's `load_userdict` takes it.
        hmm: jieba's hidden Markov model, for words that are in no dictionary.
        traditional_as_simplified: look traditional sentences up in simplified characters.
    """

    def __init__(
        self,
        user_dict: str | os.PathLike[str] | None = None,
        *,
        hmm: bool = True,
        traditional_as_simplified: bool = True,
    ) -> None:
        path = None if user_dict is None else os.fspath(user_dict)
        self._native = _native.Segmenter(path, hmm, traditional_as_simplified)

    def segment(self, text: str) -> list[str]:
        """The words of a text, sentence by sentence, without white space between them."""
        return self._native.segment(text)


@lru_cache(maxsize=1)
def _default() -> Segmenter:
    return Segmenter()


def segment(text: str) -> list[str]:
    """The words of a text as `prepare` finds them by default, without white space between them.

    >>> quanci.segment("他来到了网易杭研大厦")
    ['他', '来到', '了', '网易', '杭研', '大厦']
    """
    return _default().segment(text)


@dataclass(frozen=True)
class Encoding:
    """A text in pieces; all lists have one item a piece.

    Attributes:
        ids: ids in the vocabulary.
        tokens: the pieces.
        offsets: (begin, end) in characters of the text.
        word_starts: whether a word begins with the piece. A piece with `##` never begins one.
    """

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_starts: list[bool]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """Cuts text into the pieces of a vocabulary, as `prepare` does, and says where words begin.

    >>> tokenizer = quanci.Tokenizer.from_file("vocab.txt")  # doctest: +SKIP
    >>> found = tokenizer.encode("北京大学")  # doctest: +SKIP
    >>> found.tokens, found.offsets, found.word_starts  # doctest: +SKIP
    (['北', '京', '大', '学'], [(0, 1), (1, 2), (2, 3), (3, 4)], [True, False, False, False])
    """

    def __init__(self, native: _native.Tokenizer) -> None:
        self._native = native

    @classmethod
    def from_file(
        cls,
        vocab: str | os.PathLike[str],
        *,
        lowercase: bool = True,
        plain_marks: bool = False,
        user_dict: str | os.PathLike[str] | None = None,
        hmm: bool = True,
        traditional_as_simplified: bool = True,
    ) -> Tokenizer:
        """A tokenizer over a `vocab.txt`, one entry a line.

        Args:
            vocab: the file.
            lowercase: lower-case the text and strip its accents (`tokenize.lowercase`).
            plain_marks: look up quotes, dashes and ellipses that the vocabulary lacks as ASCII marks.
            user_dict, hmm, traditional_as_simplified: as of `Segmenter`.

        Raises:
            InputOutputError: if the file cannot be read or is no vocabulary of BERT.
        """
        path = None if user_dict is None else os.fspath(user_dict)
        native = _native.Tokenizer(
            os.fspath(vocab), lowercase, plain_marks, path, hmm, traditional_as_simplified
        )
        for text in native.warnings():
            warnings.warn(text, Warning, stacklevel=2)
        return cls(native)

    def encode(self, text: str) -> Encoding:
        """Cuts a text, sentence by sentence; white space, line ends among it, gives no piece. Cleaning is left to `prepare`."""
        ids, offsets, word_starts = self._native.encode(text)
        return Encoding(ids, [self._native.token(id) for id in ids], offsets, word_starts)

    def token_to_id(self, token: str) -> int | None:
        """The id of an entry, or None."""
        return self._native.id(token)

    def id_to_token(self, id: int) -> str:
        """The entry with an id."""
        return self._native.token(id)

    def __len__(self) -> int:
        return len(self._native)
