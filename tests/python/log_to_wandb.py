import json
import sys

import wandb

run = sys.argv[1]  # runs/mini
with wandb.init(project="quanci", name=run, mode="offline") as tracked, open(f"{run}/log.jsonl", encoding="utf-8") as log:
    for line in log:
        values = json.loads(line)
        step = values.pop("step")
        tracked.log({name: value for name, value in values.items() if isinstance(value, float)}, step=step)
