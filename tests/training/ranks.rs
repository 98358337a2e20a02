//! One, two and four ranks learn the same.

use integration_tests::{Place, Ran};

use crate::{Settings, curve, place};

const PHASE: &str = "steps = 8\nglobal_batch = 16\nmicro_batch = 4\nlearning_rate = 1e-3\nwarmup_steps = 2\n";
const MORE: &str = "[masking]\nmode = \"dynamic\"\n[data]\nlanes = 8\n[evaluation]\nmax_rows = 100\nmicro_batch = 7\n[log]\nevery_steps = 1\ntensorboard = false\n";

fn losses(ranks: &str, more: &str) -> Vec<(u64, f64)> {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more }.write(&place);
    place.run(&["pretrain", &settings, "--threads", "1", "--nproc", ranks]).exits(0);
    let mut curve_of_all = curve(&place.join("run"), "train/loss");
    curve_of_all.extend(curve(&place.join("run"), "eval/mlm_loss"));
    curve_of_all.extend(curve(&place.join("run"), "eval/mlm_accuracy/all"));
    curve_of_all
}

#[track_caller]
fn assert_close(one: &[(u64, f64)], other: &[(u64, f64)]) {
    assert_eq!(one.len(), 8 + 2);
    for (a, b) in one.iter().zip(other) {
        assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-5, "{a:?} and {b:?}");
    }
}

#[test]
fn one_two_and_four_ranks_give_the_same_losses() {
    let one = losses("1", MORE);
    assert_close(&one, &losses("2", MORE));
    assert_close(&one, &losses("4", MORE));
}

/// Rows of about equal length together, micro-batches by a budget of tokens: the ranks hold different numbers of both.
#[test]
fn grouping_and_budgets_know_nothing_of_ranks() {
    let grouped = MORE.replace("lanes = 8", "lanes = 8\ngroup_batches = 2");
    assert_close(&losses("1", &grouped), &losses("2", &grouped));
}

#[test]
fn another_number_of_ranks_goes_on_where_one_stopped() {
    let place = place();
    let more = format!("{MORE}[checkpoint]\nevery_steps = 4\n");
    let run = |output: &str, ranks: &str| {
        let settings = Settings { output, phase: PHASE, more: &more }.write(&place);
        place.run(&["pretrain", &settings, "--threads", "1", "--nproc", ranks]).exits(0);
    };
    run("whole", "1");
    run("parts", "1");
    std::fs::remove_dir_all(place.join("parts/checkpoints/step-0000000008")).unwrap();
    run("parts", "4");
    let whole = curve(&place.join("whole"), "train/loss");
    for (a, b) in whole.iter().zip(curve(&place.join("parts"), "train/loss")) {
        assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-5, "{a:?} and {b:?}");
    }
}

/// Two ranks as on two machines: each in a folder of its own.
fn in_two_folders(settings: [(&Place, &str); 2]) -> [Ran; 2] {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let ranks = [0, 1].map(|rank| {
        let (place, settings) = settings[rank];
        let mut command = place.command(&["pretrain", settings, "--threads", "1", "--timeout", "60"]);
        command.envs([
            ("RANK", rank.to_string()),
            ("LOCAL_RANK", rank.to_string()),
            ("WORLD_SIZE", "2".to_owned()),
            ("LOCAL_WORLD_SIZE", "2".to_owned()),
            ("MASTER_ADDR", "127.0.0.1".to_owned()),
            ("MASTER_PORT", port.clone()),
        ]);
        place.spawn(&mut command)
    });
    ranks.map(|rank| Ran::from(rank.wait_with_output().unwrap()))
}

/// Rank 1 sees checkpoints that are not rank 0's: a folder that is not shared, or an older copy of it.
#[test]
fn ranks_in_unlike_folders_end() {
    let (a, b) = (place(), place());
    let more = format!("{MORE}[checkpoint]\nevery_steps = 4\n");
    let write = |place| Settings { output: "run", phase: PHASE, more: &more }.write(place);
    let settings = write(&a);
    write(&b);
    b.run(&["pretrain", settings.as_str(), "--threads", "1"]).exits(0);
    for ran in in_two_folders([(&a, &settings), (&b, &settings)]) {
        ran.exits(3).says(&["rank 1", "sees another folder", "there are no checkpoints", "of step 8"]);
    }
    assert!(!a.join("run/model").exists());
    // The other way round rank 1 has nothing, and takes everything from rank 0.
    std::fs::remove_dir_all(b.join("run/checkpoints/step-0000000008")).unwrap();
    for ran in in_two_folders([(&b, &settings), (&a, &settings)]) {
        ran.exits(0);
    }
    let whole = losses("1", &more);
    for (one, two) in whole.iter().zip(curve(&b.join("run"), "train/loss")) {
        assert!(one.0 == two.0 && (one.1 - two.1).abs() < 1e-5, "{one:?} and {two:?}");
    }
    assert!(!a.join("run/model").exists(), "rank 1 writes nothing");
}

#[test]
fn ranks_with_other_settings_or_data_end() {
    let (a, b) = (place(), place());
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&a);
    Settings { output: "run", phase: &PHASE.replace("steps = 8", "steps = 9"), more: MORE }.write(&b);
    for ran in in_two_folders([(&a, &settings), (&b, &settings)]) {
        ran.exits(2).says(&["`phases[0].steps` is 9 on rank 1", "8 on rank 0"]);
    }
    let other = crate::prepare(
        b.path(),
        "other",
        "[instances]\nmax_seq_len = 64\ncopies = 1\n[output]\nvalidation = 0.05\n",
    );
    let text = std::fs::read_to_string(a.join(&settings)).unwrap();
    b.write(&settings, text.replace(&format!("{:?}", crate::data()), &format!("{other:?}")));
    for ran in in_two_folders([(&a, &settings), (&b, &settings)]) {
        ran.exits(2).says(&["`data", "on rank 1", "all ranks take the same"]);
    }
}

/// When one rank dies the others end, and so does the launcher, with a word about it.
#[test]
fn a_rank_that_dies_ends_all() {
    let place = place();
    let phase = PHASE.replace("steps = 8", "steps = 100000");
    let settings = Settings { output: "run", phase: &phase, more: MORE }.write(&place);
    let mut child =
        place.spawn(&mut place.command(&["pretrain", &settings, "--threads", "1", "--nproc", "2"]));
    let begun = std::time::Instant::now();
    while curve_length(&place.join("run")) < 2 {
        assert!(begun.elapsed().as_secs() < 60, "no step in a minute");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let children =
        std::process::Command::new("pgrep").args(["-P", &child.id().to_string()]).output().unwrap();
    let ranks: Vec<String> = String::from_utf8(children.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(ranks.len(), 2, "{ranks:?}");
    assert!(std::process::Command::new("kill").args(["-KILL", &ranks[1]]).status().unwrap().success());
    let killed = std::time::Instant::now();
    let status = child.wait().unwrap();
    assert!(!status.success());
    assert!(killed.elapsed().as_secs() < 20, "it took {:?}", killed.elapsed());
}

fn curve_length(run: &std::path::Path) -> usize {
    std::fs::read_to_string(run.join("log.jsonl")).unwrap_or_default().lines().count()
}
