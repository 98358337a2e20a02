"""Writes trainer/tests/golden/optimizers.json: what each optimizer makes of given gradients, in double precision.

Run: python trainer/tests/python/golden_optimizers.py      (torch 2.11)

AdamW with bias correction is torch.optim.AdamW. The others are written out from their sources:
  google       google-research/bert optimization.py, AdamWeightDecayOptimizer
  lamb         ymcui/LAMB_Optimizer_TF optimization.py, LAMBOptimizer
  lamb_nvidia  NVIDIA apex csrc/multi_tensor_lamb.cu with apex/optimizers/fused_lamb.py (use_nvlamb=False)
Gradients are clipped to a global norm first, as Google (tf.clip_by_global_norm) and apex do: times max / norm if the
norm is larger than max.
"""

import json
import math
import pathlib

import torch

BETAS, EPSILON, DECAY, CLIP, STEPS = (0.9, 0.98), 1e-6, 0.1, 1.5, 24
SHAPES = {
    "layer.dense.weight": [3, 4],
    "layer.dense.bias": [3],
    "layer.LayerNorm.weight": [4],
    "layer.LayerNorm.bias": [4],  # begins as zeros: its norm is 0
    "zero.weight": [2, 2],  # likewise, with decay
}
SHOWN = [1, 2, 8, 24]


def decay_of(name):
    return 0.0 if name.endswith("bias") or "LayerNorm" in name else DECAY


def initial():
    torch.manual_seed(20)
    zero = ("layer.LayerNorm.bias", "zero.weight")
    return {n: torch.zeros(s) if n in zero else torch.randn(s) for n, s in SHAPES.items()}


def gradients():
    torch.manual_seed(21)
    sizes = [0.1 + 1.5 * abs(math.sin(step)) for step in range(STEPS)]
    steps = [{n: torch.randn(s) * size for n, s in SHAPES.items()} for size in sizes]
    steps[5]["zero.weight"] *= 0.0
    return steps


def rate(step):
    return 0.01 * (1.0 - step / 40)


def clipped(step):
    step = {n: g.double() for n, g in step.items()}
    norm = math.sqrt(sum(g.square().sum().item() for g in step.values()))
    factor = CLIP / norm if norm > CLIP else 1.0
    return {n: g * factor for n, g in step.items()}, norm


class Written:
    """Adam's moments, and an update that `apply` makes of them."""

    def __init__(self, weights):
        self.weights, self.t = weights, 0
        self.m = {n: torch.zeros_like(w) for n, w in weights.items()}
        self.v = {n: torch.zeros_like(w) for n, w in weights.items()}

    def step(self, gradients, lr):
        self.t += 1
        for n, g in gradients.items():
            self.m[n] = BETAS[0] * self.m[n] + (1.0 - BETAS[0]) * g
            self.v[n] = BETAS[1] * self.v[n] + (1.0 - BETAS[1]) * g * g
            self.weights[n] = self.weights[n] - lr * self.update(n)


class Google(Written):
    def update(self, n):
        return self.m[n] / (self.v[n].sqrt() + EPSILON) + decay_of(n) * self.weights[n]


class Lamb(Google):
    def update(self, n):
        update = super().update(n)
        w_norm, u_norm = self.weights[n].norm(), update.norm()
        return update * (w_norm / u_norm if w_norm > 0 and u_norm > 0 else 1.0)


class LambNvidia(Written):
    def update(self, n):
        m = self.m[n] / (1.0 - BETAS[0] ** self.t)
        v = self.v[n] / (1.0 - BETAS[1] ** self.t)
        update = m / (v.sqrt() + EPSILON) + decay_of(n) * self.weights[n]
        w_norm, u_norm = self.weights[n].norm(), update.norm()
        adapted = decay_of(n) != 0.0 and w_norm > 0 and u_norm > 0
        return update * (w_norm / u_norm if adapted else 1.0)


class AdamW:
    def __init__(self, weights):
        self.weights = weights
        groups = [{"params": [w], "weight_decay": decay_of(n)} for n, w in weights.items()]
        self.optimizer = torch.optim.AdamW(groups, betas=BETAS, eps=EPSILON)

    def step(self, gradients, lr):
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        for n, g in gradients.items():
            self.weights[n].grad = g
        self.optimizer.step()


def flat(tensors):
    return {n: t.reshape(-1).tolist() for n, t in tensors.items()}


def run(optimizer):
    shown = {}
    for step, given in enumerate(gradients(), 1):
        optimizer.step(clipped(given)[0], rate(step - 1))
        if step in SHOWN:
            shown[step] = flat(optimizer.weights)
    return shown


def main():
    made = {"adamw": AdamW, "google": Google, "lamb": Lamb, "lamb_nvidia": LambNvidia}
    golden = {
        "betas": BETAS, "epsilon": EPSILON, "weight_decay": DECAY, "clip_norm": CLIP,
        "shapes": SHAPES,
        "initial": flat(initial()),
        "rates": [rate(step) for step in range(STEPS)],
        "gradients": [flat(step) for step in gradients()],
        "norms": [clipped(step)[1] for step in gradients()],
        "weights": {name: run(make({n: w.double() for n, w in initial().items()})) for name, make in made.items()},
    }
    path = pathlib.Path(__file__).parents[1] / "golden" / "optimizers.json"
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
