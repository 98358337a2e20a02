"""Our model beside transformers': `python tests/python/trained_model.py` (needs torch and transformers; see compare.sh).

1. A model exported by quanci-train loads in BertForPreTraining, AutoTokenizer reads its text, and both heads' logits agree
   with quanci-train's features to 1e-5.
2. A model that transformers wrote, as safetensors, as pytorch_model.bin and as a file of PyTorch before 1.6, gives the same
   features in quanci-train.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertForPreTraining

ROOT = Path(__file__).resolve().parents[2]
TRAIN = os.environ.get("QUANCI_TRAIN", ROOT / "target/release/quanci-train")
SENTENCES = ["今天天气很好。", "道可道，非常道；名可名，非常名。", "GPT-4 于2023年发布，價格是 $20。"]


def features(model, work):
    lines, output = work / "lines.txt", work / "features.safetensors"
    lines.write_text("\n".join(SENTENCES) + "\n", "utf-8")
    subprocess.run([TRAIN, "features", "--model", model, "-o", output, lines, "--quiet", "--device", "cpu"],
                   check=True, stdout=subprocess.DEVNULL)
    return load_file(output)


def compare(folder, model, work):
    """The largest difference of hidden states and pooled vectors; ids must be equal."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours, worst = features(folder, work), 0.0
    for number, sentence in enumerate(SENTENCES):
        ids = tokenizer(sentence, return_tensors="pt")
        assert ids["input_ids"][0].tolist() == ours[f"input_ids.{number}"].tolist(), sentence
        with torch.no_grad():
            theirs = model.bert(**ids)
        worst = max(worst, (theirs.last_hidden_state[0] - ours[f"hidden.{number}"]).abs().max().item())
        worst = max(worst, (theirs.pooler_output[0] - ours["pooled"][number]).abs().max().item())
    return worst


def fill_mask_agrees(folder, model):
    text = "却说[MASK]操引兵而来。"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        logits = model(**ids).prediction_logits
    at = (ids["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
    share, best = logits[0, at].softmax(-1).max(-1)
    ran = subprocess.run([TRAIN, "fill-mask", "--model", folder, text, "--json", "--device", "cpu"], check=True,
                         capture_output=True, text=True)
    piece, ours = json.loads(ran.stdout.splitlines()[-1])["guesses"][0][0]
    assert piece == tokenizer.convert_ids_to_tokens(best.item()), (piece, best)
    return abs(ours - share.item())


def main():
    trained = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out/quickstart/run/model"
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        model, info = BertForPreTraining.from_pretrained(trained, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"], info
        ours = compare(trained, model.eval(), work)
        print(f"{trained}: loads with no key missing or left over; features differ by {ours:.1e}, "
              f"fill-mask's probability by {fill_mask_agrees(trained, model):.1e}")
        assert ours < 1e-5

        torch.manual_seed(3)
        vocabulary = len((trained / "vocab.txt").read_text("utf-8").splitlines())
        config = BertConfig(vocab_size=vocabulary, hidden_size=128, num_hidden_layers=3, num_attention_heads=2,
                            intermediate_size=256, initializer_range=0.1)
        model = BertForPreTraining(config).eval()
        for kind in ["safetensors", "bin", "legacy"]:
            folder = work / kind
            model.save_pretrained(folder)
            for name in ["vocab.txt", "tokenizer.json", "tokenizer_config.json"]:
                (folder / name).write_bytes((trained / name).read_bytes())
            if kind != "safetensors":
                (folder / "model.safetensors").unlink()
                torch.save(model.state_dict(), folder / "pytorch_model.bin",
                           _use_new_zipfile_serialization=kind == "bin")
            theirs = compare(folder, model, work)
            print(f"written by transformers as {kind}: features differ by {theirs:.1e}")
            assert theirs < 1e-5


if __name__ == "__main__":
    main()
