"""`segment` and `Tokenizer`: what `prepare` finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SAMPLES, settings_of

import quanci


def test_words() -> None:
    assert quanci.segment("他来到了网易杭研大厦") == ["他", "来到", "了", "网易", "杭研", "大厦"]
    assert quanci.segment("他來到了網易大廈。\n\n 北京大学 ") == ["他", "來到", "了", "網易", "大廈", "。", "北京大学"]
    assert quanci.segment("") == []


def test_a_dictionary_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("石墨烯电热膜厂 800 n\n", "utf-8")
    text = "他在石墨烯电热膜厂工作"
    assert "石墨烯电热膜厂" not in quanci.segment(text)
    assert quanci.Segmenter(tmp_path / "words.txt").segment(text) == ["他", "在", "石墨烯电热膜厂", "工作"]
    (tmp_path / "words.txt").write_text("词 8.5 n\n", "utf-8")
    with pytest.raises(quanci.InputOutputError, match="line 1"):
        quanci.Segmenter(tmp_path / "words.txt")


def test_words_make_up_the_text() -> None:
    for name in ("news", "essays", "traditional", "technical"):
        text = (SAMPLES / f"original/{name}.txt").read_text("utf-8")
        assert "".join("".join(quanci.segment(text)).split()) == "".join(text.split()), name


def test_pieces_and_their_places(vocabulary: Path) -> None:
    tokenizer = quanci.Tokenizer.from_file(vocabulary)
    text = "  我们在北京大学读书。\n使用 Python3 编程，Café 1,024 个！"
    found = tokenizer.encode(text)
    assert len(found) == len(found.ids) == len(found.offsets) == len(found.word_starts) == len(found.tokens)
    assert [tokenizer.token_to_id(token) for token in found.tokens] == found.ids
    for token, (begin, end) in zip(found.tokens, found.offsets):
        plain = token.removeprefix("##")
        assert token == "[UNK]" or text[begin:end].lower().replace("é", "e") == plain
    assert found.offsets == sorted(found.offsets) and len(tokenizer) == len(vocabulary.read_text().splitlines())
    words = [(begin, end) for (begin, end), starts in zip(found.offsets, found.word_starts) if starts]
    assert (2, 3) in words and (3, 4) not in words, "我们 is one word"
    assert not any(starts for token, starts in zip(found.tokens, found.word_starts) if token.startswith("##"))
    with pytest.raises(KeyError):
        tokenizer.id_to_token(len(tokenizer))


def test_ids_are_those_of_tokenizers(vocabulary: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    ours = quanci.Tokenizer.from_file(vocabulary)
    for path in sorted((SAMPLES / "original").glob("*.txt")):
        # The library makes one token of a special one that stands in the text; for `prepare` it is text.
        text = path.read_text("utf-8").replace("[MASK]", "MASK")
        expected = theirs.encode(text, add_special_tokens=False)
        found = ours.encode(text)
        assert found.ids == expected.ids and found.offsets == expected.offsets, path.name


def test_the_pieces_of_a_data_set(vocabulary: Path, tmp_path: Path) -> None:
    """Ids and word starts of clean text are those that `prepare` writes."""
    sentences = ["我们在北京大学读书。", "他來到了網易大廈，看見了很多人。", "使用 Python3 编程，共 1024 个！", "今天天气很好，我们去公园吧。"]
    (tmp_path / "a.txt").write_text("\n".join(sentences), "utf-8")
    settings = settings_of("mlm-dynamic", vocabulary, tmp_path / "data")
    settings["corpus"] = [{"paths": [tmp_path / "a.txt"], "format": "sentences"}]
    settings["output"]["validation"] = 0
    settings["output"]["shards"] = 1
    quanci.prepare(settings)
    tokenizer = quanci.Tokenizer.from_file(vocabulary)
    pieces, starts = [], []
    for row in quanci.open(tmp_path / "data"):
        pieces += row["input_ids"][1:-1]
        starts += row["word_starts"][1:-1]
    expected = [tokenizer.encode(sentence) for sentence in sentences]
    assert pieces == [id for found in expected for id in found.ids]
    assert starts == [start for found in expected for start in found.word_starts]


def test_bad_vocabularies(tmp_path: Path) -> None:
    with pytest.raises(quanci.InputOutputError, match="cannot read"):
        quanci.Tokenizer.from_file(tmp_path / "nowhere.txt")
    (tmp_path / "vocab.txt").write_text("[PAD]\n中\n", "utf-8")
    with pytest.raises(quanci.InputOutputError, match=r"has no \[UNK\]"):
        quanci.Tokenizer.from_file(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n中\n", "utf-8")
    with pytest.warns(quanci.Warning, match="repeated"):
        quanci.Tokenizer.from_file(tmp_path / "vocab.txt")


def test_documented_examples(prepared: Callable[[str], Path]) -> None:
    import doctest

    assert doctest.testmod(quanci, extraglobs={"quanci": quanci}).failed == 0
