"""Fine-tuned models beside transformers: `quanci-train tune` trains each set of tests/golden/tuning, and transformers or
sentence-transformers loads what it leaves behind and must compute the same; the programs that score predictions must agree with its scores.

    python3 -m venv .venv-hf && .venv-hf/bin/pip install torch==2.11.0 transformers numpy seqeval sentence-transformers scipy
    cargo build --release -p quanci-trainer
    .venv-hf/bin/python tests/tuning.py target/release/quanci-train
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import torch
import transformers
from transformers import AutoConfig, AutoTokenizer

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden/tuning"
SETS = {
    "classification": 'kind = "classification"\nformat = "tsv"\ntrain = "train.tsv"\ndev = "dev.tsv"\ntext = "text_a"\ntext_b = "text_b"\nlabel = "label"',
    "regression": 'kind = "regression"\nformat = "jsonl"\ntrain = "train.jsonl"\ndev = "dev.jsonl"\ntext = "text"\nlabel = "score"',
    "tokens": 'kind = "tokens"\nformat = "conll"\ntrain = "train.conll"\ndev = "dev.conll"',
    "spans": 'kind = "spans"\nformat = "squad"\ntrain = "train.json"\ndev = "dev.json"\nby_characters = true',
    "choice": 'kind = "choice"\nformat = "c3"\ntrain = "train.json"\ndev = "dev.json"',
}
SETS["classification-albert"] = SETS["classification"]
PAIRS = 'kind = "embeddings"\nformat = "tsv"\ntrain = "train.tsv"\ndev = "dev.tsv"\ntext = "text_a"\ntext_b = "text_b"\nlabel = "label"'
SETS["embeddings"] = PAIRS
SETS["embeddings-softmax"] = PAIRS + '\n[embeddings]\nloss = "softmax"\npooling = "cls"'
CLASSES = {
    "classification": "BertForSequenceClassification", "regression": "BertForSequenceClassification", "tokens": "BertForTokenClassification",
    "spans": "BertForQuestionAnswering", "choice": "BertForMultipleChoice",
    "embeddings": "BertModel", "embeddings-softmax": "BertModel", "classification-albert": "AlbertForSequenceClassification",
}
SETTINGS = """path = "set"
init_from = "set/model"
output = "run"
seeds = 5
epochs = 3
batch = 4
learning_rate = 2e-3
max_length = 24
[spans]
stride = 8
max_question = 6
max_answer = 5
[set]
"""


def close(name, own, wanted):
    own, wanted = torch.tensor(own, dtype=torch.float64), torch.as_tensor(wanted).double()
    assert own.shape == wanted.shape, (name, own.shape, wanted.shape)
    difference = (own - wanted).abs().max().item()
    assert difference < 1e-5, (name, difference)
    return difference


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_sentences(name, folder):
    """The same for sentence embeddings, by sentence-transformers; and Spearman's correlation by scipy."""
    from safetensors.torch import load_file
    from scipy.stats import spearmanr
    from sentence_transformers import SentenceTransformer

    embedder = SentenceTransformer(str(folder / "run/model"), device="cpu")
    rows = [line.split("\t") for line in (folder / "set/dev.tsv").read_text().splitlines()[1:]]
    u, v = (embedder.encode([row[at] for row in rows], convert_to_tensor=True) for at in (1, 2))
    if name == "embeddings":
        made = torch.cosine_similarity(u, v).unsqueeze(1)
        scores = json.loads((folder / "run/scores.json").read_text())
        close(name, scores["dev"]["spearman"]["mean"], spearmanr(made[:, 0].numpy(), [float(row[0]) for row in rows]).statistic)
        assert torch.allclose(embedder.similarity(u, v).diagonal(), made[:, 0], atol=1e-6)
    else:
        # The classifier is not a part of the folder.
        best = load_file(folder / "run/seeds/5/best.safetensors")
        made = torch.cat([u, v, (u - v).abs()], 1) @ best["classifier.weight"].T + best["classifier.bias"]
    own = [line["logits"] for line in lines(folder / "run/seeds/5/predictions/dev.jsonl")]
    return close(name, own, made)


def check(name, folder, model, tokenizer):
    """The largest difference of logits."""
    predictions = folder / "run/seeds/5/predictions"
    if name.startswith("embeddings"):
        return check_sentences(name, folder)
    if name.startswith("classification"):
        rows = [line.split("\t") for line in (folder / "set/dev.tsv").read_text().splitlines()[1:]]
        made = []
        for _, a, b in rows:
            a, b = (tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) for text in (a, b))
            while len(a) + len(b) > 21:  # as google-research/bert
                (a if len(a) > len(b) else b).pop()
            ids, segments = [2] + a + [3] + b + [3], [0] * (len(a) + 2) + [1] * (len(b) + 1)
            made.append(model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([segments])).logits[0])
        return max(close(name, line["logits"], logits) for line, logits in zip(lines(predictions / "dev.jsonl"), made, strict=True))
    if name == "regression":
        rows = lines(folder / "set/dev.jsonl")
        made = [model(**tokenizer(row["text"], truncation=True, max_length=24, return_tensors="pt")).logits[0] for row in rows]
        return max(close(name, line["logits"], logits) for line, logits in zip(lines(predictions / "dev.jsonl"), made, strict=True))
    if name == "tokens":
        from seqeval.metrics import f1_score
        blocks = [[line.split(" ") for line in block.splitlines()] for block in (predictions / "dev.conll").read_text().strip().split("\n\n")]
        for block in blocks:
            inputs = tokenizer([word for word, _, _ in block], is_split_into_words=True, return_tensors="pt")
            labels, seen = model(**inputs).logits[0].argmax(-1).tolist(), {}
            for place, word in enumerate(inputs.word_ids()):
                seen.setdefault(word, model.config.id2label[labels[place]])
            assert [seen[word] for word in range(len(block))] == [label for _, _, label in block]
        scores = json.loads((folder / "run/scores.json").read_text())
        of = lambda column: [[row[column] for row in block] for block in blocks]
        return abs(float(f1_score(of(1), of(2))) - scores["dev"]["f1"]["mean"])
    if name == "spans":
        data, best, most = json.loads((folder / "set/dev.json").read_text())["data"], json.loads((predictions / "dev_nbest.json").read_text()), 0.0
        for paragraph in data[0]["paragraphs"]:
            context, qa = paragraph["context"], paragraph["qas"][0]
            question = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(qa["question"]))[:6]
            room = 21 - len(question)
            if len(context) > room:
                continue  # several windows: their logits are compared in tests/training/tune.rs
            ids = [2] + question + [3] + tokenizer.convert_tokens_to_ids(list(context)) + [3]
            made = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([[0] * (len(question) + 2) + [1] * (len(context) + 1)]))
            first = best[qa["id"]][0]
            starts, ends = made.start_logits[0], made.end_logits[0]
            at = len(question) + 2
            spans = [(starts[s] + ends[e], s, e) for s in range(at, len(ids) - 1) for e in range(s, min(s + 5, len(ids) - 1))]
            _, start, end = max(spans, key=lambda span: span[0])
            assert context[start - at:end - at + 1] == first["text"], qa["id"]
            most = max(most, close(name, [first["start_logit"], first["end_logit"]], torch.stack([starts[start], ends[end]])))
        return most
    most = 0.0
    for (context, questions, _), line in zip(json.loads((folder / "set/dev.json").read_text()), lines(predictions / "dev.jsonl"), strict=True):
        pieces = lambda text: tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
        logits = []
        for choice in questions[0]["choice"]:
            first, second = [2] + pieces(context[0]) + [3], pieces(questions[0]["question"]) + [3] + pieces(choice) + [3]
            made = model(input_ids=torch.tensor([[first + second]]), token_type_ids=torch.tensor([[[0] * len(first) + [1] * len(second)]]))
            logits.append(made.logits[0, 0])
        most = max(most, close(name, line["logits"], torch.stack(logits)))
    return most


def main(train):
    torch.set_grad_enabled(False)
    for name, settings in SETS.items():
        folder = pathlib.Path(tempfile.mkdtemp())
        shutil.copytree(GOLDEN / name, folder / "set")
        (folder / "tune.toml").write_text(SETTINGS + settings + "\n")
        ran = subprocess.run([train, "tune", "tune.toml", "--threads", "1"], cwd=folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        model_folder = folder / "run/model"
        assert AutoConfig.from_pretrained(model_folder).architectures == [CLASSES[name]]
        model, info = getattr(transformers, CLASSES[name]).from_pretrained(model_folder, output_loading_info=True)
        assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        model.eval()
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        # The card's own code must run.
        code = re.search(r"```python\n(.*?)```", (model_folder / "README.md").read_text(), re.S).group(1)
        exec(code.replace("THIS FOLDER", str(model_folder)), {})
        print(f"{name}: {CLASSES[name]} loads, and differs by {check(name, folder, model, tokenizer):.1e}")
        shutil.rmtree(folder)


main(str(pathlib.Path(sys.argv[1]).resolve()))
