//! A data set in an object store trains as one in a folder does, through copies on this machine.

use std::fs;

use integration_tests::store::{Proxy, S3};
use integration_tests::{Ran, hashes};

use crate::{curve, data, place};

#[test]
fn a_data_set_in_a_store() {
    let Some(server) = S3::start() else { return };
    let place = place();
    for name in hashes(data()).keys() {
        server.put(&format!("pairs/{name}"), &fs::read(data().join(name)).unwrap());
    }
    let settings = |output: &str, path: &str, more: &str| {
        let text = format!(
            "seed = 7\nmodel = \"model.json\"\noutput = {output:?}\n[[phase]]\ndata = [{{ path = {path:?} }}]\nsteps = 20\n\
             global_batch = 16\nmicro_batch = 16\nlearning_rate = 1e-3\n[data]\nlanes = 4\n[evaluation]\nmax_rows = 100\n\
             [log]\nevery_steps = 1\n{more}\n"
        );
        place.write(&format!("{output}.toml"), text);
    };
    settings("local", data().to_str().unwrap(), "");
    settings("objects", "s3://texts/pairs", "[cache]\nfolder = \"copies\"\ngb = 1\n");
    let proxy = Proxy::every(5, &server);
    let train = |name: &str, more: &[&str]| -> Ran {
        let mut command = place.command(&[&["pretrain", name, "--threads", "1"], more].concat());
        S3::serve(&mut command, proxy.port()).output().unwrap().into()
    };
    train("local.toml", &[]).exits(0);
    train("objects.toml", &[]).exits(0);
    assert_eq!(curve(&place.join("objects"), "loss"), curve(&place.join("local"), "loss"));
    assert_eq!(curve(&place.join("objects"), "eval/mlm_loss"), curve(&place.join("local"), "eval/mlm_loss"));
    let copies = fs::read_dir(place.join("copies")).unwrap().map(|entry| entry.unwrap().file_name());
    let copies: Vec<String> = copies.map(|name| name.into_string().unwrap()).collect();
    assert!(!copies.is_empty() && copies.iter().all(|name| name.len() == 64), "{copies:?}");

    // A damaged object is found when it is fetched.
    let shard = server.keys("pairs/copy-00/").remove(0);
    let mut bytes = server.get(&shard);
    bytes[100] ^= 1;
    server.put(&shard, &bytes);
    let again = ["--set", "output=again", "--set", "cache.folder=other"];
    train("objects.toml", &again).exits(3).says(&["s3://texts/pairs/copy-00", "not what the manifest says"]);
}
