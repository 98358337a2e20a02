"""What tests/gpu.sh runs: quanci-train's numbers and speed on a GPU, beside Hugging Face in the same run.

Every part is a process of its own with a limit of time; one that fails is written down and the next begins. Parts that
matter most come first, and none begins after SECONDS_AT_MOST.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

# Model, length, rows of a micro-batch of quanci, rows of one of Hugging Face: as many as keep the device busy.
SPEED = [
    ("bert-base", 128, 512, 256),
    ("bert-base", 512, 128, 64),
    ("bert-large", 128, 256, 128),
    ("bert-mini", 128, 1024, 512),
    ("bert-tiny", 128, 2048, 512),
]
TINY = [("bert-tiny", 128, 8, 8)]

SETTINGS = """seed = 1
model = "{model}"
output = "{output}"
[[phase]]
data = [{{ path = "{data}" }}]
steps = {steps}
global_batch = {batch}
micro_batch = {micro}
learning_rate = 1e-4
warmup_steps = 10
[precision]
compute = "{compute}"
[data]
lanes = {lanes}
workers = 4
[checkpoint]
every_steps = {every}
[evaluation]
every_steps = 0
max_rows = 256
[log]
every_steps = 10
tensorboard = false
"""


class Kit:
    def __init__(self, args):
        self.args = args
        self.cuda = args.device == "cuda"
        self.kit = pathlib.Path(args.kit).resolve()
        self.out = pathlib.Path(args.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.begun = time.monotonic()
        self.limit = float(os.environ.get("SECONDS_AT_MOST", 480))
        self.results = {"device": args.device, "parts": {}}
        packages = os.environ.get("TORCH_SITE_PACKAGES") or sysconfig.get_paths()["purelib"]
        libraries = [pathlib.Path(packages) / "torch/lib", *sorted(pathlib.Path(packages).glob("nvidia/*/lib"))]
        self.environment = dict(os.environ)
        if self.cuda:
            path = ":".join(map(str, libraries))
            self.environment["LD_LIBRARY_PATH"] = path + ":" + os.environ.get("LD_LIBRARY_PATH", "")
            # PyTorch's wheels keep CUDA's libraries beside torch/: libtorch_cuda.so finds them by its own run path.
        self.environment["TOKENIZERS_PARALLELISM"] = "false"

    def part(self, name, command, seconds=120, parse=True):
        """Runs a command; keeps the last line of its output that is JSON."""
        left = self.limit - (time.monotonic() - self.begun)
        if left <= 0:
            self.results["parts"][name] = {"skipped": "no time left"}
            return None
        if not self.cuda:
            seconds *= 20  # a busy machine is slow, and the limits are those of a lent GPU
        begun = time.monotonic()
        try:
            ran = subprocess.run(
                list(map(str, command)), env=self.environment, capture_output=True, text=True, timeout=min(seconds, left + 60),
            )
            code, out, err = ran.returncode, ran.stdout, ran.stderr
        except subprocess.TimeoutExpired as expired:
            code, out, err = None, (expired.stdout or b"").decode(errors="replace"), f"not done after {seconds} s"
        found = {"exit_code": code, "seconds": round(time.monotonic() - begun, 1)}
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if parse and lines:
            found.update(json.loads(lines[-1]))
        if code != 0:
            found["error"] = (err or out)[-2000:]
        self.results["parts"][name] = found
        print(f"{name}: {json.dumps(found)[:600]}", flush=True)
        self.write()
        return found

    def train(self, *arguments):
        device = ["--device", self.args.device] + ([] if self.cuda else ["--threads", "1"])
        return [self.kit / "quanci-train", *arguments, *device]

    def settings(self, name, **values):
        path = self.out / f"{name}.toml"
        values = {
            "output": self.out / name, "steps": 30, "micro": values.get("batch"), "compute": "bf16", "lanes": 64, "every": 0,
            **values,
        }
        path.write_text(SETTINGS.format(**values))
        return path

    def model(self, name):
        return ROOT / "configs/models" / f"{name}.json"

    def numerics(self):
        self.part("check-device", self.train("check-device", "--json"), seconds=90)

    def speed(self):
        steps = 20 if self.cuda else 2
        for model, length, rows, peer_rows in SPEED if self.cuda else TINY:
            if self.args.shapes and f"{model}-{length}" not in self.args.shapes:
                continue
            data = self.kit / "data" / str(length)
            settings = self.settings(
                f"{model}-{length}", model=self.model(model), data=data, batch=rows, lanes=64 if self.cuda else 8,
                compute="bf16" if self.cuda else "fp32",
            )
            counts = ["--steps", steps, "--warmup", 5 if self.cuda else 1]
            trace = self.out / f"{model}-{length}-step.json"
            own = self.train("bench", settings, "--json", *counts, "--profile", trace)
            self.part(f"{model} {length} quanci", own)
            if trace.exists():
                self.results.setdefault("breakdown", {})[f"{model} {length}"] = breakdown(trace)
            if self.cuda:
                self.part(f"{model} {length} quanci, tiled attention", [*own[:-2], "--attention", "tiled"])
            if self.args.no_peers:
                continue
            peer = [sys.executable, HERE / "hugging_face.py", data, self.model(model), "--micro-batch", peer_rows]
            peer += ["--device", self.args.device, *counts]
            if self.cuda:
                self.part(f"{model} {length} transformers compiled", [*peer, "--compile"], seconds=150)
            else:
                peer += ["--precision", "fp32", "--threads", 1]
                self.part(f"{model} {length} transformers", peer)

    def training(self):
        """A run that is stopped and resumed gives the weights of one that was not; losses in bf16 follow those in fp32."""
        data, lanes = self.kit / "data/128", 8
        losses = {}
        for compute in ["fp32", "bf16"] if self.cuda else ["fp32"]:
            rows = 32 if self.cuda else 8
            common = dict(model=self.model("bert-tiny"), data=data, batch=rows, micro=rows // 2, compute=compute, lanes=lanes, steps=40)
            whole = self.settings(f"whole-{compute}", every=20, **common)
            self.part(f"train {compute}", self.train("pretrain", whole, "--json", "--quiet"), parse=False)
            log = self.out / f"whole-{compute}" / "log.jsonl"
            if log.exists():
                lines = [json.loads(line) for line in log.read_text().splitlines()]
                losses[compute] = [line["train/loss"] for line in lines if "train/loss" in line]
        # Two ranks: on one GPU they can only talk by Gloo.
        whole = self.out / "whole-fp32.toml"
        both = [*self.train("pretrain", whole, "--json", "--quiet"), "--set", f"output={self.out}/two-ranks"]
        both += ["--nproc", "2", "--backend", "gloo"]
        self.part("two ranks by gloo", both, parse=False)
        log = self.out / "two-ranks" / "log.jsonl"
        if log.exists():
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            losses["fp32, two ranks"] = [line["train/loss"] for line in lines if "train/loss" in line]
        compute = "bf16" if "bf16" in losses else "fp32" if "fp32" in losses else None
        if compute is None:
            return
        first = self.out / f"whole-{compute}" / "checkpoints"
        last = first / "step-0000000040"
        before = (last / "model.safetensors").read_bytes()
        for file in last.iterdir():
            file.unlink()
        last.rmdir()
        self.part("resume", self.train("pretrain", self.out / f"whole-{compute}.toml", "--json", "--quiet"), parse=False)
        after = (last / "model.safetensors").read_bytes()
        self.results["parts"]["resume"].update({"same_bytes": before == after, "largest_difference": difference(before, after)})
        self.results["parts"]["losses"] = losses
        print(f"resume: {self.results['parts']['resume']} losses: {losses}", flush=True)
        self.write()

    def write(self):
        self.results["seconds"] = round(time.monotonic() - self.begun, 1)
        (self.out / "gpu.json").write_text(json.dumps(self.results, indent=1))
        (self.out / "gpu.md").write_text(table(self.results))


# What a kernel is for, by a word of its name; the first that fits counts. Lowercase names without a namespace are our own.
KINDS = [
    ("attention", ("flash", "fmha", "attention")),
    ("matrix products", ("gemm", "nvjet", "cutlass", "splitK", "cublas")),
    ("bias, dropout, residual sum, LayerNorm", ("add_norm",)),
    ("bias, activation", ("bias_activation", "Gelu", "gelu")),
    ("gradients of biases, sums of parts", ("sum_parts", "join_three", "reduce_kernel")),
    ("cross entropy", ("cross_entropy", "softmax", "SoftMax", "nll")),
    ("LayerNorm", ("layer_norm", "LayerNorm", "GammaBeta")),
    ("optimizer", ("FusedOptimizer", "adam", "Adam", "lpnorm", "LpNorm")),
    ("casts of weights and gradients", ("multi_tensor_apply",)),
    ("embeddings", ("embed", "compute_grad_weight", "sum_and_scatter", "index", "radix", "Radix", "sort", "Sort")),
    ("dropout", ("dropout", "masked_scale")),
    ("copies, sums of two", ("elementwise", "copy", "Memcpy", "Memset", "CatArray", "fill")),
]
# Steps of a trace: PROFILED of quanci-train's cli/measure.rs.
PROFILED = 3


def breakdown(trace):
    """Milliseconds of a step by kind of kernel, the kernels that take most, and how long none ran."""
    events = json.loads(trace.read_text())["traceEvents"]
    kernels = sorted(
        (event for event in events if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")), key=lambda event: event["ts"],
    )
    kinds, names, idle, end = {}, {}, 0.0, None
    for event in kernels:
        name, milliseconds = event["name"], event["dur"] / 1e3 / PROFILED
        kind = next((kind for kind, words in KINDS if any(word in name for word in words)), "other")
        kinds[kind] = kinds.get(kind, 0) + milliseconds
        names[name] = names.get(name, 0) + milliseconds
        idle += max(0.0, event["ts"] - end) if end else 0.0
        end = max(end or 0.0, event["ts"] + event["dur"])
    longest = sorted(names.items(), key=lambda item: -item[1])[:25]
    return {
        "kernels": round(len(kernels) / PROFILED),
        "milliseconds": round(sum(kinds.values()), 3),
        "idle_milliseconds": round(idle / 1e3 / PROFILED, 3),
        "by_kind": {kind: round(value, 3) for kind, value in sorted(kinds.items(), key=lambda item: -item[1])},
        "longest": [(name[:160], round(value, 3)) for name, value in longest],
    }


def difference(before, after):
    """The largest difference between the numbers of two safetensors files of fp32."""
    import array

    def numbers(data):
        start = 8 + int.from_bytes(data[:8], "little")
        return array.array("f", data[start : start + (len(data) - start) // 4 * 4])

    a, b = numbers(before), numbers(after)
    return max((abs(x - y) for x, y in zip(a, b)), default=0.0) if len(a) == len(b) else None


def table(results):
    lines = ["| part | tokens/s | ms a step | TFLOP/s | of peak | peak memory GB |", "|---|---|---|---|---|---|"]
    for name, part in results["parts"].items():
        if "tokens_per_second" not in part:
            continue
        share = part.get("model_flop_utilisation")
        memory = part.get("memory_peak_bytes")
        lines.append(
            f"| {name} | {part['tokens_per_second']:,.0f} | {1e3 * part['seconds_per_step']:.1f} "
            f"| {part.get('teraflops', float('nan')):.1f} | {f'{100 * share:.1f} %' if share else '–'} "
            f"| {memory / 1e9:.1f} |" if memory else
            f"| {name} | {part['tokens_per_second']:,.0f} | {1e3 * part['seconds_per_step']:.1f} "
            f"| {part.get('teraflops', float('nan')):.1f} | {f'{100 * share:.1f} %' if share else '–'} | – |"
        )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--kit", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", nargs="*", choices=["numerics", "training", "speed"])
    parser.add_argument("--shapes", nargs="*", metavar="MODEL-LENGTH", help="measure these alone, such as bert-base-128")
    parser.add_argument("--no-peers", action="store_true", help="leave Hugging Face out")
    args = parser.parse_args()
    kit = Kit(args)
    for part in args.only or ["numerics", "training", "speed"]:
        getattr(kit, part)()
    kit.write()
    print(table(kit.results))


if __name__ == "__main__":
    main()
