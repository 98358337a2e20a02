"""Writes tests/golden/tf1-checkpoint/albert: a tiny ALBERT with random weights, saved by TensorFlow from the graph of
google-research/albert (modeling.py and the heads of run_pretraining.py, unmodified), and what it computes.

Run once: python trainer/tests/python/golden_albert.py FOLDER
(tensorflow-cpu 2.21; FOLDER: that of google-research/albert's code, also `albert` of PyPI's albert-tensorflow 1.1)
"""

import ast
import importlib.util
import json
import pathlib
import sys
import types

import numpy
import tensorflow

tf = tensorflow.compat.v1
tf.disable_eager_execution()
OUT = pathlib.Path(__file__).parents[3] / "tests/golden/tf1-checkpoint/albert"


def layer_norm(inputs, begin_norm_axis, begin_params_axis, scope=None):
    """tf.contrib.layers.layer_norm, which TensorFlow 2 no longer has: names, epsilon and arithmetic."""
    with tf.variable_scope(scope, default_name="LayerNorm"):
        width = inputs.shape[-1]
        beta = tf.get_variable("beta", [width], initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", [width], initializer=tf.ones_initializer())
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


def dense(inputs, units, activation=None, kernel_initializer=None):
    """tf.layers.dense, likewise."""
    with tf.variable_scope(None, default_name="dense"):
        kernel = tf.get_variable("kernel", [inputs.shape[-1], units], initializer=kernel_initializer)
        made = tf.matmul(inputs, kernel) + tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return made if activation is None else activation(made)


def code(folder):
    """modeling.py as a module, and the functions of the heads."""
    contrib = types.ModuleType("tensorflow.contrib")
    contrib.layers = types.SimpleNamespace(layer_norm=layer_norm)
    old = types.ModuleType("tensorflow")
    old.__dict__.update({name: getattr(tf, name) for name in dir(tf)})
    old.layers = types.SimpleNamespace(dense=dense)
    old.contrib, old.compat = contrib, types.SimpleNamespace(v1=old)
    sys.modules.update({"tensorflow": old, "tensorflow.contrib": contrib, "tensorflow.compat.v1": old})
    spec = importlib.util.spec_from_file_location("modeling", folder / "modeling.py")
    modeling = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(modeling)
    wanted = ["get_masked_lm_output", "get_sentence_order_output", "gather_indexes"]
    tree = ast.parse((folder / "run_pretraining.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    heads = {"tf": old, "modeling": modeling}
    exec(compile(tree, "run_pretraining.py", "exec"), heads)
    return modeling, heads


SHAPE = {
    "attention_probs_dropout_prob": 0, "hidden_act": "gelu", "hidden_dropout_prob": 0, "embedding_size": 8, "hidden_size": 16,
    "initializer_range": 0.02, "intermediate_size": 32, "max_position_embeddings": 24, "num_attention_heads": 2,
    "num_hidden_layers": 3, "num_hidden_groups": 1, "net_structure_type": 0, "gap_size": 0, "num_memory_blocks": 0,
    "inner_group_num": 1, "down_scale_factor": 1, "type_vocab_size": 2, "vocab_size": 50,
}

modeling, heads = code(pathlib.Path(sys.argv[1]))
draw = numpy.random.default_rng(11)
ids = draw.integers(5, 50, [2, 12])
mask = numpy.array([[1] * 9 + [0] * 3, [1] * 12])
segments = numpy.array([[0] * 5 + [1] * 4 + [0] * 3, [0] * 12])
ids *= mask
config = modeling.AlbertConfig.from_dict(SHAPE)
model = modeling.AlbertModel(
    config, False, tf.constant(ids, tf.int32), tf.constant(mask, tf.int32), tf.constant(segments, tf.int32))
everywhere = tf.constant([list(range(12))] * 2)
labels = tf.zeros([2, 12], tf.int32)
_, _, masked = heads["get_masked_lm_output"](
    config, model.get_sequence_output(), model.get_embedding_table(), everywhere, labels, tf.ones([2, 12]))
_, _, pairs = heads["get_sentence_order_output"](config, model.get_pooled_output(), tf.zeros([2, 1], tf.int32))
variables = tf.trainable_variables()
with tf.Session() as session:
    for variable in variables:
        shape = variable.shape.as_list()
        scale = 0.35 if len(shape) == 2 else 0.2
        value = draw.normal(0, scale, shape) + (1 if variable.op.name.endswith("gamma") else 0)
        variable.load(value.astype("float32"), session)
    OUT.mkdir(parents=True, exist_ok=True)
    tf.train.Saver(variables).save(session, str(OUT / "model.ckpt-best"), write_meta_graph=False)
    outputs = session.run({
        "mlm_log_probs": tf.reshape(masked, [2, 12, 50]), "sop_log_probs": pairs, "pooled_output": model.get_pooled_output(),
        "sequence_output": model.get_sequence_output(),
    })
(OUT / "checkpoint").unlink()
(OUT / "albert_config.json").write_text(json.dumps(SHAPE, indent=2) + "\n")
inputs = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
plain = lambda arrays: {name: array.tolist() for name, array in arrays.items()}
outputs = {name: numpy.round(array.astype("float64"), 8) for name, array in outputs.items()}
names = {variable.op.name: variable.shape.as_list() for variable in variables}
made = {"inputs": plain(inputs), "tensorflow": plain(outputs), "variables": names}
(OUT / "outputs.json").write_text(json.dumps(made) + "\n")
print(len(names), "variables")
