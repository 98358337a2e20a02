"""Checkpoints and records that quanci writes, read by TensorFlow and PyTorch themselves: every tensor bit for bit, and what
TensorFlow writes, read by quanci-train.

    python3 -m venv .venv-tf && .venv-tf/bin/pip install tensorflow-cpu torch numpy
    cargo build --release --workspace
    .venv-tf/bin/python tests/tensorflow.py target/release/quanci-train target/release/quanci
"""

import argparse
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
sys.path.pop(0)  # this file has the library's name
import numpy
import tensorflow as tf
import torch

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


def safetensors(path):
    """The tensors of a .safetensors of single precision, by name; eight lines instead of a library."""
    bytes_ = path.read_bytes()
    length = struct.unpack("<Q", bytes_[:8])[0]
    header = json.loads(bytes_[8:8 + length])
    tensors = {}
    for name, info in header.items():
        if name != "__metadata__":
            start, end = info["data_offsets"]
            tensors[name] = numpy.frombuffer(bytes_[8 + length + start:8 + length + end], "<f4").reshape(info["shape"])
    return tensors


GOOGLE_ADAM = GOLDEN / "tf1-checkpoint/adam/model.ckpt-3"


class Checked:
    def __init__(self, train, quanci):
        self.train, self.quanci, self.bad = train, quanci, []
        self.folder = pathlib.Path(tempfile.mkdtemp())

    def run(self, program, *arguments):
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, cwd=self.folder)

    def converted(self, source, to, *more):
        out = self.folder / f"{source.name}-{to}-{len(list(self.folder.iterdir()))}"
        ran = self.run(self.train, "convert", source, out, "--to", to, "--threads", "1", *more)
        if ran.returncode:
            self.say(f"convert {source.name} to {to}", ran.stderr)
        return out

    def say(self, name, problem=""):
        if problem:
            self.bad.append(name)
        print(f"BAD  {name}: {problem}" if problem else f"ok   {name}", flush=True)

    def same(self, name, ours, theirs):
        """Two dictionaries of arrays, bit for bit."""
        if set(ours) != set(theirs):
            return self.say(name, f"names differ: {sorted(set(ours) ^ set(theirs))[:6]}")
        differing = [key for key in ours if ours[key].shape != theirs[key].shape or ours[key].tobytes() != theirs[key].tobytes()]
        self.say(f"{name}: {len(ours)} tensors", f"{differing[:6]} differ" if differing else "")


def bundle(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: numpy.ascontiguousarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}


def google_folder(checked, name):
    folder = checked.folder / name
    shutil.copytree(GOLDEN / "tf1-checkpoint" / name, folder)
    shutil.copy(GOLDEN / "tf1-checkpoint/bert_config.json", folder)
    return folder


def uer_folder(checked, name):
    folder = checked.folder / f"uer-{name}"
    folder.mkdir()
    for file in ("config.json", "model.bin"):
        shutil.copy(GOLDEN / "uer" / name / file, folder)
    return folder


def check_bundles(checked):
    """What is written from a checkpoint of TensorFlow, by tf.train.load_checkpoint and by the newest of a folder."""
    theirs = bundle(GOLDEN / "tf1-checkpoint/plain/bert_model.ckpt")
    wanted = {row[0] for row in json.loads((GOLDEN / "tf1-checkpoint/names.json").read_text())}
    for name in ("plain", "sharded", "partitioned"):
        out = checked.converted(google_folder(checked, name), "tf1")
        checked.same(f"TensorFlow reads {name}", bundle(out / "bert_model.ckpt"), theirs)
    # Weights after steps of Adam, whose slots and step stay behind.
    adam = checked.converted(google_folder(checked, "adam"), "tf1")
    weights = {name: value for name, value in bundle(GOOGLE_ADAM).items() if name in wanted}
    checked.same("TensorFlow reads adam", bundle(adam / "bert_model.ckpt"), weights)
    checked.say("every name of init_checkpoint", "" if wanted == set(theirs) else "others")
    newest = tf.train.latest_checkpoint(str(out))
    checked.say("`checkpoint` names it", "" if newest == str(out / "bert_model.ckpt") else f"{newest}")
    # By way of Hugging Face and back, kernels are transposed twice.
    middle = checked.converted(checked.folder / "plain", "hf")
    names = json.loads((GOLDEN / "tf1-checkpoint/names.json").read_text())
    ours = safetensors(middle / "model.safetensors")
    expected = {hf: numpy.ascontiguousarray(theirs[google].T) if transposed else theirs[google] for google, hf, transposed in names}
    checked.same("Hugging Face's names", {name: ours[name] for name in expected}, expected)
    # An ALBERT, from the graph of google-research/albert.
    albert = GOLDEN / "tf1-checkpoint/albert"
    out = checked.converted(checked.converted(albert, "hf"), "tf1")
    checked.same("TensorFlow reads an ALBERT", bundle(out / "model.ckpt-best"), bundle(albert / "model.ckpt-best"))
    newest = tf.train.latest_checkpoint(str(out))
    checked.say("`checkpoint` names it, too", "" if newest == str(out / "model.ckpt-best") else f"{newest}")
    checked.same("TensorFlow reads it again", bundle(checked.converted(middle, "tf1") / "bert_model.ckpt"), theirs)


def check_saver(checked):
    """What tf.compat.v1.train.Saver writes now: many variables, so that keys need several restarts, and odd shapes."""
    graph, folder = tf.Graph(), checked.folder / "saver"
    folder.mkdir()
    theirs = bundle(GOLDEN / "tf1-checkpoint/plain/bert_model.ckpt")
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        variables = [tf.compat.v1.get_variable(name, initializer=value) for name, value in theirs.items()]
        variables.append(tf.compat.v1.get_variable("global_step", initializer=numpy.int64(5)))
        variables.append(tf.compat.v1.get_variable("extra/empty", initializer=numpy.zeros((0, 3), "f4")))
        variables.append(tf.compat.v1.get_variable("extra/double", initializer=numpy.arange(4, dtype="f8")))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(folder / "model.ckpt"), global_step=5, write_meta_graph=False)
    shutil.copy(GOLDEN / "tf1-checkpoint/bert_config.json", folder)
    out = checked.converted(folder, "tf1")
    checked.same("quanci-train reads what Saver wrote", bundle(out / "bert_model.ckpt"), theirs)


def check_torch(checked):
    """UER's files, by torch.load with weights_only, and mapped into memory."""
    for name in ("bert", "mlm", "albert", "albert-tied"):
        theirs = torch.load(GOLDEN / f"uer/{name}/model.bin", weights_only=True)
        theirs = {key: value.numpy() for key, value in theirs.items()}
        theirs["embedding.seg.embedding.weight"] = theirs["embedding.seg.embedding.weight"].copy()
        theirs["embedding.seg.embedding.weight"][0] = 0  # the row at padding
        out = checked.converted(uer_folder(checked, name), "uer")
        for mapped in (False, True):
            ours = torch.load(out / "model.bin", weights_only=True, mmap=mapped)
            checked.same(f"PyTorch reads uer/{name}, mmap {mapped}", {key: value.numpy() for key, value in ours.items()}, theirs)
        tied = ours["embedding.word.embedding.weight"].data_ptr() == ours["target.mlm.linear_2.weight"].data_ptr()
        checked.say(f"the decoder of {name} is the words, or of its own", "" if tied == (name != "albert") else "it is not")
        # By way of Hugging Face the scales are changed and changed back: to a unit in the last place.
        again = checked.converted(checked.converted(uer_folder_copy(checked, name), "hf"), "uer")
        ours = torch.load(again / "model.bin", weights_only=True)
        worst = max(float(numpy.abs(ours[key].numpy() - theirs[key]).max()) for key in theirs)
        checked.say(f"uer/{name} by way of Hugging Face, largest difference {worst:.1e}", "" if worst <= 1.3e-7 else "too much")


def uer_folder_copy(checked, name):
    return checked.folder / f"uer-{name}"


def check_records(checked):
    """TFRecord files, by tf.data and Google's own way of parsing them."""
    data, out = GOLDEN / "shards-v1", checked.folder / "records"
    ran = checked.run(checked.quanci, "export-tfrecord", data, out, "--files", "3")
    if ran.returncode:
        return checked.say("export-tfrecord", ran.stderr)
    manifest = json.loads((out / "tfrecord.json").read_text())
    row, masks = manifest["max_seq_length"], manifest["max_predictions_per_seq"]
    feature = lambda length, kind: tf.io.FixedLenFeature([length], kind)
    features = {
        "input_ids": feature(row, tf.int64), "input_mask": feature(row, tf.int64), "segment_ids": feature(row, tf.int64),
        "masked_lm_positions": feature(masks, tf.int64), "masked_lm_ids": feature(masks, tf.int64),
        "masked_lm_weights": feature(masks, tf.float32), "next_sentence_labels": feature(1, tf.int64),
    }
    count, problems = 0, []
    for file in manifest["files"]:
        for record in tf.data.TFRecordDataset(str(out / file["path"])):
            example = {name: value.numpy() for name, value in tf.io.parse_single_example(record, features).items()}
            length, masked = int(example["input_mask"].sum()), int(example["masked_lm_weights"].sum())
            if example["input_ids"][length:].any() or example["masked_lm_ids"][masked:].any() or not 0 < masked <= masks:
                problems.append(count)
            if (example["masked_lm_positions"][:masked] >= length).any():
                problems.append(count)
            count += 1
    expected = sum(file["instances"] for file in manifest["files"])
    checked.say(f"tf.data reads {count} records", f"{expected} were written; {problems}" if problems or count != expected else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("quanci", type=lambda path: pathlib.Path(path).resolve())
    args = parser.parse_args()
    checked = Checked(args.train, args.quanci)
    check_bundles(checked)
    check_saver(checked)
    check_torch(checked)
    check_records(checked)
    shutil.rmtree(checked.folder)
    print(f"{len(checked.bad)} bad: {checked.bad}" if checked.bad else "all as TensorFlow and PyTorch read it")
    sys.exit(bool(checked.bad))


if __name__ == "__main__":
    main()
