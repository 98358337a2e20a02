//! `tests/gpu.sh`, at tiny size on a CPU: a kit that is seldom used must not have rotted when there is a GPU.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use integration_tests::root;
use serde_json::Value;

use crate::prepare;

/// All parts but the peer, which `python/test.sh` runs: it needs PyTorch and transformers.
const PARTS: [&str; 5] =
    ["check-device", "train fp32", "two ranks by gloo", "resume", "bert-tiny 128 quanci"];

#[test]
fn every_part_of_the_gpu_kit_runs_on_a_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let (kit, out) = (folder.path().join("kit"), folder.path().join("out"));
    fs::create_dir_all(kit.join("data")).unwrap();
    symlink(env!("CARGO_BIN_EXE_quanci-train-under-test"), kit.join("quanci-train")).unwrap();
    prepare(
        &kit.join("data"),
        "128",
        "[masking]\nmode = \"dynamic\"\n[output]\nvalidation = 0.02\nshards = 2\n",
    );
    let mut command = Command::new("python3");
    command.arg(root().join("tests/gpu/kit.py")).args(["--device", "cpu", "--no-peers"]);
    // A busy machine is slow: only a test that hangs should end here.
    command.arg("--kit").arg(&kit).arg("--out").arg(&out).env("SECONDS_AT_MOST", "3600");
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let results: Value = serde_json::from_slice(&fs::read(out.join("gpu.json")).unwrap()).unwrap();
    let parts = &results["parts"];
    for name in PARTS {
        assert_eq!(parts[name]["exit_code"], 0, "{name}: {}", parts[name]);
    }
    let comparisons = parts["check-device"]["comparisons"].as_array().unwrap();
    assert!(comparisons.iter().any(|it| it["what"].as_str().unwrap().contains("fused kernels")));
    assert_eq!(parts["resume"]["same_bytes"], true);
    // The order of the data does not depend on the number of ranks, and each row draws its own dropout.
    let (one, two) = (&parts["losses"]["fp32"], &parts["losses"]["fp32, two ranks"]);
    let losses = one.as_array().unwrap().iter().zip(two.as_array().unwrap());
    assert_eq!(losses.len(), 4);
    for (one, two) in losses {
        assert!((one.as_f64().unwrap() - two.as_f64().unwrap()).abs() < 1e-5, "{one} and {two}");
    }
    let table = fs::read_to_string(out.join("gpu.md")).unwrap();
    assert!(table.contains("| bert-tiny 128 quanci |"), "{table}");
}
