//! Lets the programs find libtorch where it was linked; without the feature `trainer` there is nothing to find.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if std::env::var_os("CARGO_FEATURE_TRAINER").is_none() {
        return;
    }
    let folder = std::env::var("LIBTORCH").expect("LIBTORCH is set in .cargo/config.toml");
    let Ok(lib) = PathBuf::from(&folder).join("lib").canonicalize() else {
        panic!("there is no libtorch in {folder}: run trainer/setup-libtorch.sh first");
    };
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}", lib.display());
}
