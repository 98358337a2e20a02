//! The kernels as a shared library of this machine's C++ compiler, and launches of them.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;

use tch::Tensor;
use tempfile::TempDir;

type Emulate =
    unsafe extern "C" fn(*const c_char, *const c_uint, *const c_uint, *const *const c_void) -> c_int;

type Backwards = unsafe extern "C" fn(c_int);

/// The kernels, compiled for one set of definitions.
pub(crate) struct Kernels {
    emulate: Emulate,
    backwards: Backwards,
    _folder: TempDir,
}

/// An argument of a kernel.
pub(crate) enum Argument<'a> {
    Tensor(&'a Tensor),
    Null,
    Int(i32),
    Long(i64),
    Float(f32),
}

pub(crate) fn tensor(tensor: &Tensor) -> Argument<'_> {
    Argument::Tensor(tensor)
}

impl Kernels {
    pub(crate) fn new(definitions: &[String]) -> Kernels {
        let folder = TempDir::new().unwrap();
        let library = folder.path().join("kernels.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("csrc/kernels/emulate.cpp");
        let mut compiler = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
        // Hidden: each library is to have variables of its own, which differ in size from another's of the same name.
        compiler.args(["-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-fvisibility=hidden"]);
        compiler.args(definitions.iter().map(|definition| format!("-D{definition}")));
        let done = compiler.arg(source).arg("-o").arg(&library).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let handle = open(&library);
        // SAFETY: emulate.cpp defines both with these signatures.
        unsafe {
            Kernels {
                emulate: std::mem::transmute::<*mut c_void, Emulate>(symbol(handle, c"emulate")),
                backwards: std::mem::transmute::<*mut c_void, Backwards>(symbol(
                    handle,
                    c"emulate_backwards",
                )),
                _folder: folder,
            }
        }
    }

    /// From now on the threads of a block go on from the last to the first, or from the first to the last again. What barriers
    /// do not keep in order may come out otherwise.
    pub(crate) fn run_backwards(&self, is: bool) {
        // SAFETY: takes a number only.
        unsafe { (self.backwards)(c_int::from(is)) }
    }

    pub(crate) fn run(&self, name: &str, grid: [u32; 2], block: [u32; 2], arguments: &[Argument<'_>]) {
        // Pointers to the arguments, each in eight bytes of its own.
        let values: Vec<[u8; 8]> = arguments
            .iter()
            .map(|argument| match *argument {
                Argument::Tensor(tensor) => (tensor.data_ptr() as u64).to_ne_bytes(),
                Argument::Null => [0; 8],
                Argument::Long(value) => value.to_ne_bytes(),
                Argument::Int(value) => low(value.to_ne_bytes()),
                Argument::Float(value) => low(value.to_ne_bytes()),
            })
            .collect();
        let pointers: Vec<*const c_void> = values.iter().map(|value| value.as_ptr().cast()).collect();
        let name = CString::new(name).unwrap();
        // SAFETY: the arguments are those of the kernel of this name; tensors and values live through the call.
        let code = unsafe { (self.emulate)(name.as_ptr(), grid.as_ptr(), block.as_ptr(), pointers.as_ptr()) };
        assert_eq!(code, 0, "there is no kernel {name:?}");
    }
}

fn low(bytes: [u8; 4]) -> [u8; 8] {
    let mut all = [0; 8];
    all[..4].copy_from_slice(&bytes);
    all
}

fn open(library: &Path) -> *mut c_void {
    let path = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: a string with a NUL; the library has no initializers of its own.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!handle.is_null(), "{library:?} cannot be opened");
    handle
}

fn symbol(library: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: an open library and a string with a NUL.
    let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
    assert!(!symbol.is_null(), "{name:?} is missing");
    symbol
}
