"""Makes trainer/tests/golden/model: two tiny BertForPreTraining and an AlbertForPreTraining with random weights, in every file format
they are handed around in, and what transformers computes with them.

Run once: python trainer/tests/python/golden_model.py OUT [NAME…]
(torch 2.11 and transformers 5.23; albert: transformers 5.24, and the gradients of a loss too); the files are kept.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AlbertConfig, AlbertForPreTraining, BertConfig, BertForPreTraining

out = Path(sys.argv[1])
for name, activation, seed in [("erf", "gelu", 1), ("tanh", "gelu_new", 2), ("albert", "gelu_new", 3)]:
    if sys.argv[2:] and name not in sys.argv[2:]:
        continue
    torch.manual_seed(seed)
    is_albert = name == "albert"
    shape = dict(
        vocab_size=120, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        hidden_act=activation, max_position_embeddings=24, type_vocab_size=2, initializer_range=0.3,
    )
    if is_albert:
        model = AlbertForPreTraining(AlbertConfig(**shape, embedding_size=16)).eval()
    else:
        model = BertForPreTraining(BertConfig(**shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and LayerNorm, too, must be found at their places
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    torch.save(model.state_dict(), folder / "legacy.bin", _use_new_zipfile_serialization=False)

    batch, length = 5, 16
    lengths = torch.tensor([16, 9, 12, 5, 16])
    place = torch.arange(length)
    attention = (place < lengths[:, None]).long()
    ids = torch.randint(5, 120, (batch, length)) * attention
    segment_b = torch.tensor([7, 4, 12, 3, 9])
    segments = ((place >= segment_b[:, None]) & (attention == 1)).long()
    with torch.no_grad():
        hidden = model.base_model(input_ids=ids, attention_mask=attention, token_type_ids=segments)
        heads = model(input_ids=ids, attention_mask=attention, token_type_ids=segments)
    more = {}
    if is_albert:
        # The loss of every token but padding and of the pairs, as BertForPreTraining adds them up.
        labels = torch.randint(5, 120, (batch, length))
        pair_labels = torch.tensor([0, 1, 1, 0, 1])
        given = torch.where(attention == 1, labels, -100)
        model(
            input_ids=ids, attention_mask=attention, token_type_ids=segments, labels=given, sentence_order_label=pair_labels
        ).loss.backward()
        more = {f"gradient.{name}": parameter.grad for name, parameter in model.named_parameters()}
        more |= {"labels": labels, "pair_labels": pair_labels}
    save_file(
        {
            **more,
            "input_ids": ids, "lengths": lengths, "segment_b": segment_b,
            "last_hidden_state": hidden.last_hidden_state.contiguous(), "pooler_output": hidden.pooler_output,
            "prediction_logits": heads.prediction_logits.contiguous(),
            "seq_relationship_logits": heads.sop_logits if is_albert else heads.seq_relationship_logits,
        },
        folder / "expected.safetensors",
    )
