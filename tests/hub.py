"""What `quanci-train export --hub` lays out, and a run's event files, read by the libraries that people read them with.

    python3 -m venv .venv-hub && .venv-hub/bin/pip install huggingface_hub==2.4.0 tensorboard==2.21.0
    .venv-hub/bin/python tests/hub.py card FOLDER
    .venv-hub/bin/python tests/hub.py events RUN/tensorboard

Prints what was read as JSON; the tests of `tests/training` compare it.
"""

import json
import sys
from pathlib import Path


def card(folder):
    """The card's header as huggingface_hub reads it, the scores in it, and the sizes of the files."""
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import ModelCardData

    read = ModelCard.load(Path(folder) / "README.md")
    assert isinstance(read.data, ModelCardData), type(read.data)
    results = read.data.eval_results or []
    return {
        "data": {key: value for key, value in read.data.to_dict().items() if key != "model-index"},
        "name": read.data.model_name,
        "scores": [[r.task_type, r.dataset_type, r.dataset_split, r.metric_type, r.metric_name, r.metric_value] for r in results],
        "text": read.text,
    }


def events(folder):
    """The settings, the curves and the texts as TensorBoard reads them."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util

    read = EventAccumulator(folder)
    read.Reload()
    settings, metrics, texts, curves = {}, [], {}, []
    for tag, about in sorted(read.AllSummaryMetadata().items()):
        plugin = about.plugin_data.plugin_name
        if plugin == "hparams":
            data = plugin_data_pb2.HParamsPluginData.FromString(about.plugin_data.content)
            metrics += [info.name.tag for info in data.experiment.metric_infos]
            for key, value in data.session_start_info.hparams.items():
                settings[key] = getattr(value, value.WhichOneof("kind"))
        elif plugin == "text":
            tensors = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in read.Tensors(tag)]
            texts[tag] = [[step, [text.decode() for text in rows]] for step, rows in tensors]
        elif plugin == "scalars":
            curves.append(tag)
    return {"settings": settings, "metrics": metrics, "texts": texts, "curves": curves}


print(json.dumps({"card": card, "events": events}[sys.argv[1]](sys.argv[2]), ensure_ascii=False))
