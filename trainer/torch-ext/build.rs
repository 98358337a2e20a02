//! Compiles `csrc/` against libtorch, and lets this crate's tests find libtorch where it was linked.
//!
//! `libquanci_nccl.so`, the plug-in for data parallelism over GPUs, is built where CUDA's and NCCL's headers lie beside
//! libtorch, as pip lays them (`nvidia/cu13`, `nvidia/nccl`). `QUANCI_NCCL_PLUGIN` tells the crate where it is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// libtorch's wheels and Debian's compilers agree on it; a PyTorch before 2.6 would not.
const CXX11_ABI: &str = "1";

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=csrc");
    let libtorch = libtorch();
    let lib = libtorch.join("lib");
    let include = [libtorch.join("include"), libtorch.join("include/torch/csrc/api/include")];
    compile_shim(&include);
    println!("cargo:rustc-link-search=native={}", lib.display());
    // After the shim, which needs them: the linker drops what nobody before needed.
    for library in ["torch_cpu", "c10", "stdc++"] {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{}", lib.display());
    compile_nccl_plugin(&libtorch, &include);
}

fn libtorch() -> PathBuf {
    let folder = env::var("LIBTORCH").expect("LIBTORCH is set in .cargo/config.toml");
    match Path::new(&folder).canonicalize() {
        Ok(path) if path.join("lib/libtorch_cpu.so").exists() => path,
        _ => panic!("there is no libtorch in {folder}: run trainer/setup-libtorch.sh first"),
    }
}

/// The files of `csrc/kernels/`, in the order in which they need one another.
const KERNELS: [&str; 9] = [
    "numbers",
    "dropout",
    "columns",
    "norm",
    "embeddings",
    "activation",
    "cross_entropy",
    "attention",
    "tiled_attention",
];

/// The kernels as a C++ string literal, for NVRTC. Compilers limit a literal's length, but not that of several side by side.
fn write_kernels() -> PathBuf {
    let mut literal = String::new();
    for name in KERNELS {
        let path = format!("csrc/kernels/{name}.cu");
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        literal.extend(source.lines().map(|line| format!("R\"CUDA({line}\n)CUDA\"\n")));
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    fs::write(folder.join("kernels.inc"), literal).expect("OUT_DIR can be written to");
    folder
}

fn compile_shim(include: &[PathBuf]) {
    let generated = write_kernels();
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(3) // for dropout.cpp: g++ vectorizes its loops only then
        .warnings(false) // libtorch's headers have hundreds
        .define("_GLIBCXX_USE_CXX11_ABI", CXX11_ABI)
        .include("csrc/gloo_stub")
        .includes(include)
        .include(generated)
        .files(
            [
                "shim",
                "ranks",
                "attention",
                "cast",
                "checkpoint",
                "cross_entropy",
                "dropout",
                "fused",
                "kernels",
                "profile",
                "tiled_attention",
            ]
            .map(|name| format!("csrc/{name}.cpp")),
        )
        .compile("quanci_torch_ext");
}

/// The headers beside libtorch that ProcessGroupNCCL.hpp includes, or nothing.
fn nvidia_headers(libtorch: &Path) -> Option<Vec<PathBuf>> {
    let nvidia = libtorch.parent()?.join("nvidia");
    let needed = ["cu13/include/cuda_runtime.h", "cu13/include/crt/host_defines.h", "nccl/include/nccl.h"];
    let folders =
        ["cu13/include", "cu13/include/cccl", "nccl/include", "cudnn/include", "cusparselt/include"];
    let complete = needed.iter().all(|file| nvidia.join(file).exists());
    complete.then(|| folders.iter().map(|folder| nvidia.join(folder)).collect())
}

fn compile_nccl_plugin(libtorch: &Path, include: &[PathBuf]) {
    let Some(nvidia) = nvidia_headers(libtorch) else { return };
    let plugin = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it")).join("libquanci_nccl.so");
    let mut compiler = Command::new(env::var_os("CXX").unwrap_or_else(|| "g++".into()));
    compiler.args(["-std=c++17", "-O2", "-fPIC", "-shared", "-w"]);
    compiler.arg(format!("-D_GLIBCXX_USE_CXX11_ABI={CXX11_ABI}"));
    for folder in include.iter().chain(&nvidia) {
        compiler.arg("-isystem").arg(folder);
    }
    compiler.arg("csrc/shim_nccl.cpp").arg("-o").arg(&plugin);
    compiler.arg("-L").arg(libtorch.join("lib"));
    // The libraries of a pruned libtorch are not all there at build time; the program opens them before the plug-in.
    compiler.args(["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"]);
    for library in ["torch_cuda", "c10_cuda", "torch_cpu", "c10"] {
        if libtorch.join(format!("lib/lib{library}.so")).exists() {
            compiler.arg(format!("-l{library}"));
        }
    }
    let status = compiler.status().unwrap_or_else(|error| panic!("cannot run {compiler:?}: {error}"));
    assert!(status.success(), "the NCCL plug-in does not compile: {compiler:?}");
    println!("cargo:rustc-env=QUANCI_NCCL_PLUGIN={}", plugin.display());
}
