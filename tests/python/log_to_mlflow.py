import json
import sys

import mlflow

run = sys.argv[1]  # runs/mini
with mlflow.start_run(run_name=run), open(f"{run}/log.jsonl", encoding="utf-8") as log:
    for line in log:
        values = json.loads(line)
        step = values.pop("step")
        mlflow.log_metrics({name: value for name, value in values.items() if isinstance(value, float)}, step=step)
