//! What counts as done is on the disk: a library that logs system calls is loaded into the program, and the log is played
//! through a disk that forgets what was not synced.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::{Place, Ran, hashes, leftovers};
use quanci_shards::Manifest;

use crate::{novels, place, vocab_settings};

/// The library, built by the system's C compiler.
fn shim(place: &Place) -> Option<PathBuf> {
    let (source, library) =
        (integration_tests::root().join("tests/it/durability.c"), place.join("durability.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        _ => {
            println!("skipped: no C compiler");
            None
        }
    }
}

/// A disk: what was written or named since the last sync, by inode.
#[derive(Default)]
struct Disk {
    unsynced: BTreeMap<u64, String>,
    /// The number of the line of the last sync.
    synced: BTreeMap<u64, usize>,
    /// Those of every sync.
    syncs: Vec<(usize, u64)>,
    /// And of the first removal of a shard.
    first_removal: Option<usize>,
    renames: usize,
}

impl Disk {
    fn play(log: &str) -> Disk {
        let mut disk = Disk::default();
        for (number, line) in log.lines().enumerate() {
            let mut parts = line.splitn(4, ' ');
            let what = parts.next().unwrap();
            let [one, two] = [(); 2].map(|()| parts.next().unwrap().parse::<u64>().unwrap());
            let path = parts.next().unwrap_or_default();
            match what {
                "write" => drop(disk.unsynced.insert(one, "written".to_owned())),
                "drop" if path.ends_with(".parquet") => {
                    disk.first_removal.get_or_insert(number);
                }
                "drop" => {}
                "new" => drop(disk.unsynced.remove(&one)),
                "sync" => {
                    disk.unsynced.remove(&one);
                    disk.synced.insert(one, number);
                    disk.syncs.push((number, one));
                }
                "name" => {
                    assert_eq!(
                        disk.unsynced.get(&two),
                        None,
                        "{path} got its name before its content was synced"
                    );
                    disk.unsynced.insert(one, path.to_owned());
                    disk.renames += 1;
                }
                _ => panic!("{line}"),
            }
        }
        disk
    }

    /// The exchange of two folders is a system call that the library does not see. It lies before the first old file is
    /// removed: by then every new file is on the disk, and after them the folder that has both names.
    fn replaced(&self, folder: &Path) {
        let removal = self.first_removal.expect("the old shards are removed");
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let mut last = 0;
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(next) = waiting.pop() {
            for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                let synced = self.synced[&inode(&entry)];
                assert!(synced < removal, "{} was synced after old files were removed", entry.display());
                last = last.max(synced);
                waiting.extend(Some(entry).filter(|entry| entry.is_dir()));
            }
        }
        let above = inode(folder.parent().unwrap());
        let between = |&(number, inode): &(usize, u64)| inode == above && (last..removal).contains(&number);
        assert!(self.syncs.iter().any(between), "the name was not synced before old files were removed");
    }

    /// All of a folder is on the disk, and its own name.
    fn has(&self, folder: &Path) {
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(self.unsynced.get(&inode(folder)), None, "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                self.has(&entry);
            } else {
                assert!(self.synced.contains_key(&inode(&entry)), "{} was never synced", entry.display());
                assert_eq!(self.unsynced.get(&inode(&entry)), None, "{}", entry.display());
            }
        }
        let (own, above) = (inode(folder), inode(folder.parent().unwrap()));
        let (own, above) = (self.synced.get(&own), self.synced.get(&above));
        assert!(own.is_some() && above > own, "{}: {own:?}, then {above:?}", folder.display());
    }
}

/// A command with the library; the log is at the path that is returned.
fn logged(place: &Place, library: &Path, arguments: &[&str]) -> (Command, PathBuf) {
    let log = place.join("log");
    fs::remove_file(&log).ok();
    let mut command = place.command(arguments);
    command.env("LD_PRELOAD", library).env("DURABILITY_LOG", &log);
    (command, log)
}

fn run(place: &Place, library: &Path, arguments: &[&str]) -> Disk {
    let (mut command, log) = logged(place, library, arguments);
    Ran::from(command.output().unwrap()).exits(0);
    let disk = Disk::play(&fs::read_to_string(&log).unwrap());
    assert_eq!(disk.unsynced.values().find(|what| *what != "written"), None, "after {arguments:?}");
    disk
}

#[test]
fn what_counts_as_done_survives_a_power_cut() {
    let place = place();
    let Some(library) = shim(&place) else { return };
    let more = "[instances]\ncopies = 2\n[output]\npath = \"deep/er/out\"\nwork = \"w\"\nshards = 2\nbucket_mb = 1\nvalidation = 0.05\ntask_mb = 1\n";
    place.settings(&novels(), more);
    let disk = run(&place, &library, &["prepare", "run.toml"]);
    assert!(disk.renames >= 10, "only {} renames", disk.renames);
    disk.has(&place.join("deep/er/out"));
    let first = hashes(&place.join("deep/er/out"));
    // In the place of another data set.
    let disk = run(&place, &library, &["prepare", "run.toml", "--force", "--set", "seed=7"]);
    disk.has(&place.join("deep/er/out"));
    disk.replaced(&place.join("deep/er/out"));
    assert_ne!(hashes(&place.join("deep/er/out")), first);
    place.write("v.toml", vocab_settings("size = 2000\nwork = \"vw\""));
    let disk = run(&place, &library, &["vocab", "v.toml"]);
    for name in ["vocab.txt", "tokenizer.json", "tokenizer_config.json"] {
        let inode = fs::metadata(place.join("v").join(name)).unwrap().ino();
        assert!(disk.synced.contains_key(&inode) && !disk.unsynced.contains_key(&inode), "{name}");
    }
    let disk = run(&place, &library, &["plan", "run.toml", "-o", "plan.json"]);
    assert!(disk.synced.contains_key(&fs::metadata(place.join("plan.json")).unwrap().ino()));
}

/// The data id of a whole data set.
fn whole(folder: &Path) -> String {
    let manifest = Manifest::read(folder).unwrap();
    let shards = manifest.shards.iter().map(|shard| (&shard.path, shard.bytes));
    for (path, bytes) in shards.chain(manifest.files.iter().map(|file| (&file.path, file.bytes))) {
        assert_eq!(fs::metadata(folder.join(path)).unwrap().len(), bytes, "{path}");
    }
    manifest.data_id
}

/// Killed after each of the last system calls of a run that replaces a data set.
#[test]
fn one_of_two_data_sets_is_there_after_every_call() {
    let place = place();
    let Some(library) = shim(&place) else { return };
    place.write("a.txt", "今天天气很好，我们去公园散步。\n公园里有很多人。\n\n茶是一种古老的饮料。\n");
    let more = "[instances]\ncopies = 2\n[output]\npath = \"out\"\nwork = \"w\"\n";
    place.settings("format = \"paragraphs\"\npaths = [\"a.txt\"]", more);
    let seeds =
        ["seed=1", "seed=2"].map(|seed| ["prepare", "run.toml", "--force", "--threads", "1", "--set", seed]);
    let ids = seeds.map(|arguments| {
        Ran::from(place.command(&arguments).output().unwrap()).exits(0);
        whole(&place.join("out"))
    });
    let (mut command, log) = logged(&place, &library, &seeds[0]);
    Ran::from(command.output().unwrap()).exits(0);
    let calls = fs::read_to_string(log).unwrap().lines().count();
    let mut changed = 0;
    for call in calls.saturating_sub(45)..=calls {
        let before = whole(&place.join("out"));
        // Always the other one, so that it is a replacement.
        let next = usize::from(before == ids[0]);
        let (mut command, _) = logged(&place, &library, &seeds[next]);
        command.env("DURABILITY_KILL", call.to_string());
        command.output().unwrap();
        let after = whole(&place.join("out"));
        assert!(ids.contains(&after), "{after} after call {call} of {calls}");
        changed += usize::from(after != before);
    }
    // The exchange lies among these calls.
    assert!((1..45).contains(&changed), "{changed} of 45 kills came after it");
    Ran::from(place.command(&seeds[0]).output().unwrap()).exits(0);
    assert_eq!((whole(&place.join("out")), leftovers(place.path())), (ids[0].clone(), Vec::new()));
}
