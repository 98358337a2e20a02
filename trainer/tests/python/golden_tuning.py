"""Writes tests/golden/tuning: small labelled sets, tiny models with heads and random weights, and what transformers makes of ten
steps of fine-tuning without dropout, in the order of the files: losses, and logits of dev after each of two epochs.

Run: python trainer/tests/python/golden_tuning.py [NAME…]
(torch 2.11, transformers 5.23; embeddings: transformers 5.24, sentence-transformers 6.2)
"""

import json
import pathlib
import random
import shutil
import sys

import torch
from transformers import (
    AlbertConfig, AlbertForSequenceClassification, BertConfig, BertForMultipleChoice, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification,
    BertModel, BertTokenizer, get_linear_schedule_with_warmup,
)

OUT = pathlib.Path(__file__).parents[3] / "tests/golden/tuning"
BATCH, EPOCHS, RATE, LENGTH = 4, 2, 2e-3, 24
CHARACTERS = "清晨的河面上起了一层薄雾老人坐在门口修补渔网好坏书店住看人间来去山水"
WORDS = ["the", "cat", "sat", "on", "a", "mat", "##s", "dog", "ran", "2", "##0", "1"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "，", "。", "？"] + sorted(set(CHARACTERS)) + WORDS
draw = random.Random(3)


def text(least, most):
    parts = [draw.choice(CHARACTERS) for _ in range(draw.randrange(least, most))]
    if draw.random() < 0.3:
        parts.insert(draw.randrange(len(parts)), " " + " ".join(draw.choice(["the cats", "dog", "20", "mat"]) for _ in range(2)) + " ")
    return "".join(parts).strip()


def prepared(name, kind, seed, configuration=BertConfig, **more):
    """A fresh folder with a model of its own, and its tokenizer."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "model").mkdir(parents=True)
    torch.manual_seed(seed)
    config = configuration(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **more,
    )
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder / "model")
    (folder / "model/vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "model/tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}) + "\n")
    tokenizer = BertTokenizer(str(folder / "model/vocab.txt"), do_lower_case=True)
    return folder, model, tokenizer


def trained(folder, model, train, dev, loss_of, logits_of):
    """Ten steps as BERT is fine-tuned: AdamW without decay of biases and LayerNorm, clipping, warm-up and linear decay."""
    plain = lambda name: name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name
    groups = [
        {"params": [p for n, p in model.named_parameters() if not plain(n)], "weight_decay": 0.01},
        {"params": [p for n, p in model.named_parameters() if plain(n)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, eps=1e-6)
    of_epoch = -(-len(train) // BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, int(of_epoch * EPOCHS * 0.2), of_epoch * EPOCHS)
    losses, dev_logits = [], []
    model.train()
    for _ in range(EPOCHS):
        for start in range(0, len(train), BATCH):
            loss = loss_of(train[start:start + BATCH])
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            dev_logits.append([logits_of(example) for example in dev])
        model.train()
    assert len(losses) == 10
    (folder / "expected.json").write_text(json.dumps({"losses": losses, "dev_logits": dev_logits}) + "\n")


def table(folder, name, rows, header):
    lines = ["\t".join(header)] + ["\t".join(map(str, row)) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")


def classification(name="classification", kind=BertForSequenceClassification, seed=1, **more):
    folder, model, tokenizer = prepared(name, kind, seed, id2label={0: "bad", 1: "good", 2: "neither"}, **more)
    ids = {"bad": 0, "good": 1, "neither": 2}
    rows = lambda count: [(draw.choice(list(ids)), text(3, 30), text(3, 30)) for _ in range(count)]
    train, dev = rows(18), rows(7)
    for name, part in (("train", train), ("dev", dev)):
        table(folder, f"{name}.tsv", part, ("label", "text_a", "text_b"))

    def encoded(batch):
        rows = []
        for _, a, b in batch:
            a, b = (tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) for text in (a, b))
            # As google-research/bert, run_classifier.py; transformers' fast tokenizers leave the odd token to the longer text.
            while len(a) + len(b) > LENGTH - 3:
                (a if len(a) > len(b) else b).pop()
            rows.append(([2] + a + [3] + b + [3], [0] * (len(a) + 2) + [1] * (len(b) + 1)))
        longest = max(len(ids) for ids, _ in rows)
        padded = lambda rows: torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        return {
            "input_ids": padded([ids for ids, _ in rows]), "token_type_ids": padded([segments for _, segments in rows]),
            "attention_mask": padded([[1] * len(ids) for ids, _ in rows]),
        }

    trained(
        folder, model, train, dev,
        lambda batch: model(**encoded(batch), labels=torch.tensor([ids[label] for label, _, _ in batch])).loss,
        lambda row: model(**encoded([row])).logits[0].tolist(),
    )


def classification_albert():
    classification(
        "classification-albert", AlbertForSequenceClassification, 9, configuration=AlbertConfig, embedding_size=8,
        hidden_act="relu", classifier_dropout_prob=0.0, bos_token_id=None, eos_token_id=None)


def regression():
    folder, model, tokenizer = prepared("regression", BertForSequenceClassification, 2, num_labels=1, problem_type="regression")
    rows = lambda count: [(round(draw.uniform(0, 5), 3), text(3, 12)) for _ in range(count)]
    train, dev = rows(18), rows(7)
    for name, part in (("train", train), ("dev", dev)):
        lines = [json.dumps({"score": score, "text": text}, ensure_ascii=False) for score, text in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")

    def encoded(batch):
        return tokenizer([a for _, a in batch], truncation=True, max_length=LENGTH, padding=True, return_tensors="pt")

    trained(
        folder, model, train, dev,
        lambda batch: model(**encoded(batch), labels=torch.tensor([score for score, _ in batch])).loss,
        lambda row: model(**encoded([row])).logits[0].tolist(),
    )


def tokens():
    labels = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    folder, model, tokenizer = prepared("tokens", BertForTokenClassification, 3, id2label=dict(enumerate(labels)))

    def rows(count):
        out = []
        for _ in range(count):
            words = [draw.choice([draw.choice(CHARACTERS), draw.choice(CHARACTERS), "cats", "20"]) for _ in range(draw.randrange(3, 11))]
            out.append((words, [draw.choice(labels) for _ in words]))
        return out

    train, dev = rows(18), rows(7)
    for name, part in (("train", train), ("dev", dev)):
        blocks = ["\n".join(f"{word} {label}" for word, label in zip(*row)) for row in part]
        (folder / f"{name}.conll").write_text("\n\n".join(blocks) + "\n")

    def encoded(batch):
        inputs = tokenizer([words for words, _ in batch], is_split_into_words=True, truncation=True, max_length=LENGTH, padding=True, return_tensors="pt")
        targets = []
        for row, (_, own) in enumerate(batch):
            places, before = inputs.word_ids(row), None
            targets.append([])
            for word in places:
                targets[-1].append(-100 if word is None or word == before else labels.index(own[word]))
                before = word
        return inputs, torch.tensor(targets)

    def loss(batch):
        inputs, targets = encoded(batch)
        return model(**inputs, labels=targets).loss

    def logits(row):
        inputs, targets = encoded([row])
        return model(**inputs).logits[0][targets[0] != -100].tolist()

    trained(folder, model, train, dev, loss, logits)


def spans():
    folder, model, tokenizer = prepared("spans", BertForQuestionAnswering, 4)

    def rows(name, count):
        paragraphs = []
        for number in range(count):
            context = "".join(draw.choice(CHARACTERS) for _ in range(draw.randrange(8, 13)))
            if number % 3 == 0:  # too long for one row
                context = "".join(draw.choice(CHARACTERS) for _ in range(20))
            start = draw.randrange(len(context) - 3)
            answer = context[start:start + draw.randrange(1, 4)]
            qa = {"id": f"{name}-{number}", "question": text(2, 4) + "？", "answers": [{"text": answer, "answer_start": start}]}
            paragraphs.append({"context": context, "qas": [qa]})
        (folder / f"{name}.json").write_text(json.dumps({"data": [{"title": "", "paragraphs": paragraphs}]}, ensure_ascii=False) + "\n")
        return [window for paragraph in paragraphs for window in windows(paragraph)]

    def windows(paragraph):
        """Each character is a token; windows of what fits, 8 characters apart."""
        context, qa = paragraph["context"], paragraph["qas"][0]
        question = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(qa["question"]))[:6]
        characters = tokenizer.convert_tokens_to_ids(list(context))
        first = qa["answers"][0]["answer_start"]
        last = first + len(qa["answers"][0]["text"]) - 1
        room, start, made = LENGTH - 3 - len(question), 0, []
        while True:
            length = min(room, len(characters) - start)
            ids = [2] + question + [3] + characters[start:start + length] + [3]
            segments = [0] * (len(question) + 2) + [1] * (length + 1)
            inside = first >= start and last < start + length
            offset = len(question) + 2 - start
            made.append((ids, segments, (first + offset, last + offset) if inside else (0, 0)))
            if start + length >= len(characters):
                return made
            start += min(length, 8)

    train = rows("train", 14)
    assert 17 <= len(train) <= 20, len(train)
    dev = rows("dev", 5)

    def run(window, **more):
        ids, segments, _ = window
        return model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([segments]), **more)

    def loss(batch):
        # One by one: padding has a part in this model's softmax.
        one = lambda window: run(window, start_positions=torch.tensor([window[2][0]]), end_positions=torch.tensor([window[2][1]])).loss
        return sum(one(window) for window in batch) / len(batch)

    def logits(window):
        made = run(window)
        return torch.stack([made.start_logits[0], made.end_logits[0]], 1).tolist()

    trained(folder, model, train, dev, loss, logits)


def choice():
    folder, model, tokenizer = prepared("choice", BertForMultipleChoice, 5)

    def rows(name, count):
        out, written = [], []
        for number in range(count):
            plain = lambda least, most: "".join(draw.choice(CHARACTERS) for _ in range(draw.randrange(least, most)))
            context, question = plain(4, 9), plain(2, 4) + "？"
            choices = list(dict.fromkeys(plain(1, 4) for _ in range(draw.randrange(3, 5))))
            answer = draw.randrange(len(choices))
            written.append([[context], [{"question": question, "choice": choices, "answer": choices[answer]}], f"{name}-{number}"])
            out.append((context, question, choices, answer))
        (folder / f"{name}.json").write_text(json.dumps(written, ensure_ascii=False) + "\n")
        return out

    train, dev = rows("train", 18), rows("dev", 7)

    def run(row, **more):
        context, question, choices, _ = row
        pieces = lambda text: tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
        made = []
        for choice in choices:
            first, second = [2] + pieces(context) + [3], pieces(question) + [3] + pieces(choice) + [3]
            assert len(first) + len(second) <= LENGTH
            made.append((first + second, [0] * len(first) + [1] * len(second)))
        longest = max(len(ids) for ids, _ in made)
        padded = lambda rows: torch.tensor([[row + [0] * (longest - len(row)) for row in rows]])
        ids, segments = padded([ids for ids, _ in made]), padded([segments for _, segments in made])
        mask = padded([[1] * len(ids) for ids, _ in made])
        return model(input_ids=ids, token_type_ids=segments, attention_mask=mask, **more)

    trained(
        folder, model, train, dev,
        # Questions have unlike numbers of answers.
        lambda batch: sum(run(row, labels=torch.tensor([row[3]])).loss for row in batch) / len(batch),
        lambda row: run(row).logits[0].tolist(),
    )


def sentences(name, seed, pooling, labels, loss_of):
    """Pairs of texts, each text with a vector of its own, by sentence-transformers: its modules and its losses."""
    from safetensors.torch import load_file, save_file
    from sentence_transformers import SentenceTransformer, models

    draw.seed(seed)
    more = {"id2label": dict(enumerate(labels))} if labels else {}
    folder, _, _ = prepared(name, BertModel, seed, **more)
    rows = lambda count: [(draw.choice(labels) if labels else round(draw.uniform(0, 5), 3), text(3, 30), text(3, 12)) for _ in range(count)]
    train, dev = rows(18), rows(7)
    for part, of in (("train", train), ("dev", dev)):
        table(folder, f"{part}.tsv", of, ("label", "text_a", "text_b"))
    transformer = models.Transformer(str(folder / "model"), max_seq_length=LENGTH)
    embedder = SentenceTransformer(modules=[transformer, models.Pooling(16, pooling_mode=pooling)], device="cpu")
    encoded = lambda batch, at: embedder.preprocess([row[at] for row in batch])
    loss, targets, logits = loss_of(embedder)
    head = {key: value.detach() for key, value in loss.state_dict().items() if key.startswith("classifier.")}
    path = folder / "model/model.safetensors"
    save_file({**load_file(path), **head}, path, metadata={"format": "pt"})

    class Both(torch.nn.Module):
        """The model with the parameters of the loss, by the names that transformers has."""
        def __init__(self):
            super().__init__()
            self.loss = loss

    trained(
        folder, Both(), train, dev,
        lambda batch: loss([encoded(batch, 1), encoded(batch, 2)], targets(batch)),
        lambda row: logits(*(embedder(encoded([row], at))["sentence_embedding"] for at in (1, 2))),
    )


def embeddings():
    from sentence_transformers.sentence_transformer import losses

    def cosine(embedder):
        return (
            losses.CosineSimilarityLoss(embedder), lambda batch: torch.tensor([row[0] / 5 for row in batch]),
            lambda u, v: torch.cosine_similarity(u, v).tolist(),
        )

    sentences("embeddings", 6, "mean", [], cosine)


def embeddings_softmax():
    from sentence_transformers.sentence_transformer import losses

    labels = ["against", "for", "neither"]

    def softmax(embedder):
        torch.manual_seed(8)
        loss = losses.SoftmaxLoss(embedder, 16, 3)
        return (
            loss, lambda batch: torch.tensor([labels.index(row[0]) for row in batch]),
            lambda u, v: loss.classifier(torch.cat([u, v, (u - v).abs()], 1))[0].tolist(),
        )

    sentences("embeddings-softmax", 7, "cls", labels, softmax)


torch.set_num_threads(1)
for make in (classification, regression, tokens, spans, choice, embeddings, embeddings_softmax, classification_albert):
    if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
        make()
