"""Makes trainer/tests/golden/model: two tiny BertForPreTraining with random weights, in every file format they are handed
around in, and what transformers computes with them. Run once with torch 2.11 and transformers 5.23; the files are kept.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForPreTraining

out = Path(sys.argv[1])
for name, activation, seed in [("erf", "gelu", 1), ("tanh", "gelu_new", 2)]:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=120, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        hidden_act=activation, max_position_embeddings=24, type_vocab_size=2, initializer_range=0.3,
    )
    model = BertForPreTraining(config).eval()
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
        hidden = model.bert(input_ids=ids, attention_mask=attention, token_type_ids=segments)
        heads = model(input_ids=ids, attention_mask=attention, token_type_ids=segments)
    save_file(
        {
            "input_ids": ids, "lengths": lengths, "segment_b": segment_b,
            "last_hidden_state": hidden.last_hidden_state.contiguous(), "pooler_output": hidden.pooler_output,
            "prediction_logits": heads.prediction_logits.contiguous(),
            "seq_relationship_logits": heads.seq_relationship_logits,
        },
        folder / "expected.safetensors",
    )
