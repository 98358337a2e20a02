"""Checkpoints that PyTorch and transformers themselves wrote, in every layout that people have: quanci-train must compute what
transformers computes with them, or refuse them. Tokenizers, too.

    python3 -m venv .venv-hf && .venv-hf/bin/pip install torch==2.11.0 transformers numpy safetensors
    cargo build --release -p quanci-trainer
    .venv-hf/bin/python tests/checkpoints.py target/release/quanci-train
"""

import argparse
import collections
import copy
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import numpy
import torch
from safetensors.torch import load_file, save_file
from transformers import AlbertConfig, AlbertForPreTraining, AutoTokenizer, BertConfig, BertForPreTraining

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] ， 。 清 晨 的 河 面 上 起 了 一 层 薄 雾 老 人 坐 在 门 口 修 补 渔 网 a b c A B C ##a ##b e ##e é É x ##x 1 2 ##1"
LINES = ["清晨的河面上起了一层薄雾。", "老人坐在门口修补渔网。", "a bab 清[MASK]的"]
MASKED = "清晨的河[MASK]上起了一层薄雾。"


def tiny(seed=1, config=BertConfig, kind=BertForPreTraining, **more):
    torch.manual_seed(seed)
    config = config(
        vocab_size=len(VOCABULARY.split()), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, initializer_range=0.3, **more,
    )
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def renamed(state, change):
    return collections.OrderedDict((change(name), tensor) for name, tensor in state.items())


def training_state(model):
    """What a training script saves beside the model."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ids = torch.randint(5, 20, (2, 8))
    model(input_ids=ids, labels=ids, next_sentence_label=torch.tensor([0, 1])).loss.backward()
    optimizer.step()
    return {
        "optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=1e-3, data=pathlib.PurePosixPath("x")), "epoch": 3,
        "best": numpy.float64(0.5), "rng": torch.get_rng_state(), "numpy_rng": numpy.random.get_state(), "rates": numpy.arange(3),
        "shape": torch.Size([2, 3]), "kind": torch.float16, "seen": {1, 2}, "huge": 1 << 70, "raw": b"\x00\xff", "nan": float("nan"),
        "scheduler": collections.defaultdict(list, {"a": [1.0]}), "python_rng": random.getstate(),
    }


def layouts(model):
    """Name, and what writes the weights into a folder."""
    state = model.state_dict()
    bare = renamed({k: v for k, v in state.items() if k.startswith("bert.")}, lambda name: name.removeprefix("bert."))
    tensors = lambda content, **more: lambda folder: torch.save(content, folder / "pytorch_model.bin", **more)
    old = dict(_use_new_zipfile_serialization=False)
    flat = torch.cat([tensor.flatten() for tensor in state.values()])
    views, at = collections.OrderedDict(), 0
    for name, tensor in state.items():
        views[name] = flat[at:at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    nvidia = lambda name: name.replace("intermediate.dense", "intermediate.dense_act").replace("pooler.dense", "pooler.dense_act").replace("transform.dense", "transform.dense_act")
    tensorflow = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    fsdp = lambda name: "_fsdp_wrapped_module." + name.replace("layer.0.", "layer.0._fsdp_wrapped_module._checkpoint_wrapped_module.")
    yield "save_pretrained", model.save_pretrained
    yield "shards", lambda folder: model.save_pretrained(folder, max_shard_size="8KB")
    yield "torch.save", tensors(state)
    yield "torch.save of old", tensors(state, **old)
    for protocol in (3, 4, 5):
        yield f"pickle protocol {protocol}", tensors(state, pickle_protocol=protocol)
    yield "parameters", tensors(dict(model.named_parameters()))
    yield "one storage", tensors(views)
    yield "one storage of old", tensors(views, **old)
    yield "transposed", tensors({name: tensor.t().contiguous().t() if tensor.dim() == 2 else tensor for name, tensor in state.items()})
    yield "bare", lambda folder: save_file({k: v.clone() for k, v in bare.items()}, folder / "model.safetensors")
    yield "bare .bin", tensors(bare)
    for prefix in ("module.", "_orig_mod.", "model.", "module._orig_mod.", "net.student."):
        yield prefix, tensors(renamed(state, lambda name: prefix + name))
    yield "torch.compile", tensors(torch.compile(model).state_dict())
    yield "DataParallel", tensors(torch.nn.DataParallel(model).state_dict())
    yield "0.auto_model.", tensors(renamed(bare, lambda name: "0.auto_model." + name))
    yield "FSDP", tensors(renamed(state, fsdp))
    yield "gamma", tensors(renamed(state, tensorflow), **old)
    for key in ("model", "state_dict", "model_state_dict", "module", "net"):
        yield f"training, {key}", tensors({key: state} | training_state(model))
        yield f"training of old, {key}", tensors(training_state(model) | {key: state}, **old)
    yield "Lightning", tensors({"state_dict": renamed(state, lambda name: "model." + name), "callbacks": {}, "loops": {"x": [1]}, "hparams_name": "kwargs"})
    yield "NVIDIA", tensors({"model": renamed(state, nvidia), "master params": list(model.parameters()), "files": [0, "part.hdf5"]})
    yield "average beside", tensors({"model": state, "ema": {k: v + 1 for k, v in state.items()}})
    yield "buffers", tensors(state | {"bert.embeddings.position_ids": torch.arange(40)[None], "bert.embeddings.empty": torch.zeros(0), "nothing": torch.zeros(0, 3)})
    yield "other name", lambda folder: torch.save(state, folder / "ckpt_8601.pt")
    yield "beside an optimizer", lambda folder: (torch.save(state, folder / "step.pt"), torch.save({}, folder / "optimizer.pt"))

    def shards_of_bins(folder):
        names = sorted(state)
        halves = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in range(2)}
        for file, names in halves.items():
            torch.save({name: state[name] for name in names}, folder / file)
        index = {"metadata": {}, "weight_map": {name: file for file, names in halves.items() for name in names}}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))

    yield "shards of .bin", shards_of_bins

    def deepspeed(folder):
        (folder / "global_step7").mkdir()
        (folder / "latest").write_text("global_step7")
        torch.save({"module": state, "optimizer": None, "ds_config": {"a": 1}}, folder / "global_step7/mp_rank_00_model_states.pt")
        torch.save({}, folder / "global_step7/zero_pp_rank_0_mp_rank_00_optim_states.pt")

    yield "DeepSpeed", deepspeed


def refused(model):
    """Name, what writes the weights, the exit code and a word of the message."""
    state = model.state_dict()
    tensors = lambda content: lambda folder: torch.save(content, folder / "pytorch_model.bin")
    yield "a whole module", tensors(model), 3, "state_dict()"
    yield "two models", tensors({"a": state, "b": {k: v + 1 for k, v in state.items()}}), 3, "several models"
    yield "two encoders", tensors({f"{side}.{k}": v + i for i, side in enumerate("qk") for k, v in state.items()}), 3, "two models"
    yield "an encoder's tensor missing", tensors({k: v for k, v in state.items() if "layer.1.output.dense.bias" not in k}), 2, "layer.1.output.dense.bias"
    yield "a classifier", tensors({"fc.weight": torch.zeros(2, 2)}), 2, "fc.weight"
    yield "NaN", tensors({k: v / 0 if "query.bias" in k else v for k, v in state.items()}), 3, "query.bias"
    yield "a RoBERTa", tensors(renamed(state, lambda name: name.replace("bert.", "roberta."))), 3, "RoBERTa"
    yield "relative positions", tensors(state | {"bert.encoder.layer.0.attention.self.distance_embedding.weight": torch.zeros(79, 8)}), 3, "distance_embedding"
    yield "a decoder of its own", tensors(state | {"cls.predictions.decoder.weight": state["cls.predictions.decoder.weight"] + 1}), 3, "tie_word_embeddings"
    yield "quantized", tensors({k: (v * 10).to(torch.int8) for k, v in state.items()}), 3, "Int8"


class Tried:
    def __init__(self, program):
        self.program, self.bad, self.count = program, [], 0
        self.folder = pathlib.Path(tempfile.mkdtemp())

    def model_folder(self, model):
        folder = self.folder / f"model-{self.count}"
        folder.mkdir()
        self.count += 1
        (folder / "config.json").write_text(model.config.to_json_string())
        (folder / "vocab.txt").write_text("\n".join(VOCABULARY.split()) + "\n")
        return folder

    def run(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments), "--threads", "1"], capture_output=True, text=True)

    def same(self, name, model, write, limit=2e-5, kind=torch.float32):
        folder = self.model_folder(model)
        write(folder)
        lines, made = self.folder / "lines.txt", self.folder / "made.safetensors"
        lines.write_text("\n".join(LINES) + "\n")
        ran = self.run("features", "--model", folder, "-o", made, lines, "--force")
        if ran.returncode:
            return self.say(name, f"exit code {ran.returncode}: {ran.stderr}")
        ours, model, worst = load_file(made), copy.deepcopy(model).to(kind).float(), 0.0
        has_pooler = "pooler" not in ran.stderr
        for i in range(len(LINES)):
            with torch.no_grad():
                theirs = model.base_model(input_ids=ours[f"input_ids.{i}"][None])
            worst = max(worst, (ours[f"hidden.{i}"] - theirs.last_hidden_state[0]).abs().max().item())
            if has_pooler:
                worst = max(worst, (ours["pooled"][i] - theirs.pooler_output[0]).abs().max().item())
        if "predictions" not in ran.stderr:
            worst = max(worst, self.masks(folder, model, ours))
        self.say(name, "" if worst <= limit else f"differs by {worst:.1e}")

    def masks(self, folder, model, ours):
        """The difference of the likeliest tokens' probabilities."""
        ran = self.run("fill-mask", "--model", folder, MASKED, "--json", "--top", "3")
        guesses = json.loads(next(line for line in ran.stdout.splitlines() if '"guesses"' in line))["guesses"][0]
        vocabulary = {piece: i for i, piece in enumerate(VOCABULARY.split())}
        ids = [vocabulary.get(c, 1) for c in MASKED.replace("[MASK]", "\0")]
        ids[MASKED.index("[MASK]")] = 4
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[2, *ids, 3]])).prediction_logits
        shares = logits[0, 1 + MASKED.index("[MASK]")].softmax(-1)
        named = {piece: shares[vocabulary[piece]].item() for piece, _ in guesses if piece in vocabulary}
        return max((abs(share - named[piece]) for piece, share in guesses if piece in named), default=0.0)

    def refuses(self, name, model, write, code, word):
        folder = self.model_folder(model)
        write(folder)
        (self.folder / "lines.txt").write_text(LINES[0] + "\n")
        ran = self.run("features", "--model", folder, "-o", folder / "made.safetensors", self.folder / "lines.txt")
        good = ran.returncode == code and word in ran.stderr
        self.say(name, "" if good else f"exit code {ran.returncode}: {ran.stderr}")

    def ids(self, rng):
        """A tokenizer with options drawn by `rng`, on text drawn by it."""
        folder = self.model_folder(tiny())
        config = {}
        for key, values in {
            "do_lower_case": [True, False], "tokenize_chinese_chars": [True, False], "strip_accents": [True, False, None],
            "model_max_length": [512], "tokenizer_class": ["BertTokenizer"],
        }.items():
            if rng.random() < 0.6:
                config[key] = rng.choice(values)
        vocabulary = VOCABULARY.split()
        if rng.random() < 0.3:
            vocabulary[4], config["mask_token"] = "<mask>", "<mask>"
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        theirs = AutoTokenizer.from_pretrained(folder)
        if rng.random() < 0.4:
            theirs.save_pretrained(folder)
        parts = [*vocabulary[2:], " ", " ", "\u3000", "É", "e\u0301", "你", "A\u200bB", "\u00a0", "ﬁ", "١", "𠀀", "😀", "[", "]", "ı", "İ"]
        lines = ["".join(rng.choice(parts) for _ in range(rng.randint(1, 12))) for _ in range(8)]
        lines = [line for line in lines if line.strip()] or ["a"]
        (folder / "lines.txt").write_text("\n".join(lines) + "\n")
        model = tiny()
        model.save_pretrained(folder)
        ran = self.run("features", "--model", folder, "-o", folder / "made.safetensors", folder / "lines.txt")
        if ran.returncode:
            return self.say(f"ids, {config}", ran.stderr)
        ours = load_file(folder / "made.safetensors")
        for i, line in enumerate(lines):
            wanted = theirs(line)["input_ids"]
            if ours[f"input_ids.{i}"].tolist() != wanted:
                return self.say(f"ids, {config}", f"{line!r}: {ours[f'input_ids.{i}'].tolist()}, transformers {wanted}")
        self.say("ids", "")

    def say(self, name, problem):
        if problem:
            self.bad.append(name)
            print(f"BAD  {name}: {problem}", flush=True)
        elif name != "ids":
            print(f"ok   {name}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--tokenizers", type=int, default=100, help="how many tokenizers to compare")
    args = parser.parse_args()
    tried, model = Tried(args.program), tiny()
    for name, write in layouts(model):
        tried.same(name, model, write)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        state = {name: tensor.to(kind) for name, tensor in model.state_dict().items()}
        tried.same(f"{kind}", model, lambda folder: torch.save(state, folder / "pytorch_model.bin"), kind=kind)
        half = copy.deepcopy(model).to(kind)
        tried.same(f"{kind} safetensors", model, half.save_pretrained, kind=kind)
    untied = tiny(tie_word_embeddings=False)
    tried.same("untied", untied, untied.save_pretrained)
    tried.same("untied .bin", untied, lambda folder: torch.save(untied.state_dict(), folder / "pytorch_model.bin"))
    padded = tiny()
    padded.resize_token_embeddings(64)
    tried.same("padded", padded, padded.save_pretrained)
    alone = {name: tensor for name, tensor in model.state_dict().items() if "word_embeddings" not in name}
    tried.same("decoder alone", model, lambda folder: torch.save(alone, folder / "pytorch_model.bin"))
    for is_tied in (True, False):
        albert = tiny(config=AlbertConfig, kind=AlbertForPreTraining, embedding_size=8, tie_word_embeddings=is_tied)
        state, name = albert.state_dict(), f"ALBERT, {'tied' if is_tied else 'untied'}"
        bare = {key.removeprefix("albert."): tensor for key, tensor in state.items() if key.startswith("albert.")}
        tried.same(name, albert, albert.save_pretrained)
        tried.same(f"{name}, .bin", albert, lambda folder: torch.save(state, folder / "pytorch_model.bin"))
        tried.same(f"{name}, module.", albert, lambda folder: torch.save(renamed(state, lambda key: f"module.{key}"), folder / "pytorch_model.bin"))
        tried.same(f"{name}, bare", albert, lambda folder: torch.save(bare, folder / "pytorch_model.bin"))
        tried.refuses(f"{name}, as a BERT", model, lambda folder: torch.save(state, folder / "pytorch_model.bin"), 2, "an ALBERT's names")
        tried.refuses(f"a BERT as {name}", albert, lambda folder: torch.save(model.state_dict(), folder / "pytorch_model.bin"), 2, "a BERT's names")
    for name, write, code, word in refused(model):
        tried.refuses(name, model, write, code, word)
    for seed in range(args.tokenizers):
        tried.ids(random.Random(seed))
    shutil.rmtree(tried.folder)
    print(f"{len(tried.bad)} bad: {tried.bad}" if tried.bad else "all as transformers computes, or refused")
    sys.exit(bool(tried.bad))


if __name__ == "__main__":
    main()
