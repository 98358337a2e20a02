//! Lets the program and the tests find libtorch where it was linked: tch's own run path reaches tch's targets only. Tells the
//! program which version that is.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let folder = std::env::var("LIBTORCH").expect("LIBTORCH is set in .cargo/config.toml");
    let lib = PathBuf::from(&folder).join("lib");
    let Ok(lib) = lib.canonicalize() else {
        panic!("there is no libtorch in {folder}: run trainer/setup-libtorch.sh first");
    };
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}", lib.display());
    println!("cargo:rustc-env=QUANCI_TORCH_VERSION={}", version(Path::new(&folder)));
}

/// The version of libtorch, without the name of its build ("+cpu"): the program runs with other builds too.
fn version(libtorch: &Path) -> String {
    let path = libtorch.join("version.py");
    println!("cargo:rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "));
    let version = line.and_then(|line| line.trim_matches('\'').split('+').next());
    version.unwrap_or("unknown").to_owned()
}
