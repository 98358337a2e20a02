"""The scripts of docs/*/training.md that give a run's log to MLflow and W&B, with these packages where they are installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = [
    '{"step":20,"train/mlm_loss":6.5,"train/skipped_steps":0.0}',
    '{"step":40,"train/mlm_loss":null,"train/skipped_steps":20.0,"not_finite":{"train/mlm_loss":"NaN"}}',
    '{"step":40,"eval/mlm_loss":6.25}',
]


def give(place: Path, script: str, **more: str) -> None:
    """Runs a script on a log, offline."""
    (place / "runs/mini").mkdir(parents=True)
    (place / "runs/mini/log.jsonl").write_text("\n".join(LINES) + "\n", "utf-8")
    subprocess.run([sys.executable, ROOT / "tests/python" / script, "runs/mini"], cwd=place, env={**os.environ, **more}, check=True)


def test_mlflow(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("alembic", reason="mlflow-skinny has no store of its own")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    give(tmp_path, "log_to_mlflow.py", MLFLOW_TRACKING_URI=store)
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs(["0"])
    assert run.info.run_name == "runs/mini"
    history = {name: [(value.step, value.value) for value in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics}
    assert history == {"train/mlm_loss": [(20, 6.5)], "train/skipped_steps": [(20, 0.0), (40, 20.0)], "eval/mlm_loss": [(40, 6.25)]}


def test_wandb(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    give(tmp_path, "log_to_wandb.py", WANDB_DIR=str(tmp_path), WANDB_SILENT="true")
    (record,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = record.read_bytes()
    assert b"train/mlm_loss" in content and b"eval/mlm_loss" in content and b"not_finite" not in content


@pytest.mark.parametrize("page", ["docs/en/training.md", "docs/zh/training.md"])
@pytest.mark.parametrize("script", ["log_to_mlflow.py", "log_to_wandb.py"])
def test_the_documents_show_the_scripts(page: str, script: str) -> None:
    assert f"```python\n{(ROOT / 'tests/python' / script).read_text('utf-8')}```\n" in (ROOT / page).read_text("utf-8")
