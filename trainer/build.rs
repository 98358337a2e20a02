//! Lets the program and the tests find libtorch where it was linked: tch's own run path reaches tch's targets only.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let folder = std::env::var("LIBTORCH").expect("LIBTORCH is set in .cargo/config.toml");
    let lib = PathBuf::from(&folder).join("lib");
    let Ok(lib) = lib.canonicalize() else {
        panic!("there is no libtorch in {folder}: run trainer/setup-libtorch.sh first");
    };
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}", lib.display());
}
