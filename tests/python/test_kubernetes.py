"""The manifests of `--engine kubernetes`, by Kubernetes' own schema: every key known, every value of its type."""

import os
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from conftest import ROOT

# The oldest with all that the manifests ask for (`backoffLimitPerIndex` is on since 1.29), and the newest known here.
VERSIONS = ["1.29", kubernetes_validate.latest_version()]

# Line ends, tabs, quotes and a last line without an end: what YAML might take for its own.
SETTINGS = """# 全词: "settings" with 'quotes', a tab\there, a \\ and: colons
vocab = "/data/vocab.txt"
[[corpus]]
name = "clue"
paths = ["s3://corpora/clue/*.txt", "/data/more/*.txt"]   
format = "documents"

[output]
path = "/data/out"
shards = 4"""

EVERYTHING = (
    "image=example.org:5000/quanci:0.1 namespace=nlp cpu=3500m memory=16Gi volume=corpora:/data volume=scratch:/scratch "
    "secret=bucket-keys service-account=reader user=2000"
)


def written_down(tmp_path, settings, options, *more):
    path = tmp_path / "语料 run.toml"
    path.write_text(settings, encoding="utf-8", newline="")
    program = (ROOT / os.environ.get("QUANCI", "target/release/quanci")).resolve()
    command = "vocab" if "[vocabulary]" in settings else "prepare"
    options = [word for option in options.split() for word in ("--kubernetes", option)]
    arguments = [program, command, path, "--engine", "kubernetes", "--dry-run", *options, *more]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, *parts = re.split(r"^==> (.*) <==\n", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def manifests(files):
    return {name: yaml.safe_load(text) for name, text in files.items() if name.endswith(".yaml")}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", ["image=quanci volume=corpora:/data", EVERYTHING])
def test_schema(tmp_path, version, options):
    found = manifests(written_down(tmp_path, SETTINGS, options, "--workers", "50", "--set", "seed=7"))
    assert len(found) == 6
    for manifest in found.values():
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_schema_of_a_vocab_run(tmp_path, version):
    settings = SETTINGS.replace('vocab = "/data/vocab.txt"', "").replace("[output]", "[vocabulary]").replace("shards = 4", "")
    found = manifests(written_down(tmp_path, settings, EVERYTHING))
    assert [manifest["kind"] for manifest in found.values()] == ["ConfigMap", "Job", "Job", "Job"]
    for manifest in found.values():
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_settings_survive(tmp_path, ends):
    settings = SETTINGS.replace("\n", ends)
    config = manifests(written_down(tmp_path, settings, EVERYTHING))["00-settings.yaml"]
    assert config["data"] == {"settings.toml": settings}


def test_what_holds_together(tmp_path):
    found = manifests(written_down(tmp_path, SETTINGS, EVERYTHING, "--workers", "50"))
    config, plan, map_job, *_ = found.values()
    names = [manifest["metadata"]["name"] for manifest in found.values()]
    # Pods are named NAME-INDEX, which is a DNS label.
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) < 58 for name in names)
    pod = map_job["spec"]["template"]["spec"]
    container, volumes = pod["containers"][0], pod["volumes"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in volumes}
    assert config["metadata"]["name"] in [volume.get("configMap", {}).get("name") for volume in volumes]
    assert container["resources"]["requests"] == container["resources"]["limits"] == {"cpu": "3500m", "memory": "16Gi"}
    of = container["args"][container["args"].index("--of") + 1]
    assert int(of) == map_job["spec"]["completions"] == map_job["spec"]["parallelism"] == 50
    # The plan that is written is the plan that is read.
    written = plan["spec"]["template"]["spec"]["containers"][0]["args"]
    assert written[written.index("--output") + 1] == container["args"][container["args"].index("--plan") + 1]
    for manifest in found.values():
        assert manifest["metadata"]["namespace"] == "nlp"


def test_shell(tmp_path):
    files = written_down(tmp_path, SETTINGS, EVERYTHING)
    checked = subprocess.run(["bash", "-n"], input=files["apply.sh"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "kubectl --namespace nlp" in files["apply.sh"]
