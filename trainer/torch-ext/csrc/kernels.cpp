// kernels.h: NVRTC and the driver, opened at run time.
//
// What was compiled is kept for the life of the process. It is not kept on disk: the kernels of a run compile in about a
// second, and a file that is executed would have to be guarded like a program.
#include "kernels.h"

#include <c10/core/DeviceGuard.h>
#include <dlfcn.h>

#include <map>
#include <tuple>

namespace {

const char* const SOURCE =
#include "kernels.inc"
    ;

void* symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  TORCH_CHECK(found, "there is no ", name, ": ", dlerror());
  return found;
}

template <class Function>
void bind(Function*& function, void* library, const char* name) {
  function = reinterpret_cast<Function*>(symbol(library, name));
}

// The functions of libcuda that are needed. Handles are pointers or integers as in cuda.h.
struct Driver {
  int (*device_get)(int*, int);
  int (*device_attribute)(int*, int, int);
  int (*primary_context)(void**, int);
  int (*context_get)(void**);
  int (*context_set)(void*);
  int (*module_load)(void**, const void*);
  int (*module_function)(void**, void*, const char*);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
  int (*function_set)(void*, int, int);
  int (*occupancy)(int*, void*, int, size_t);
  int (*error_name)(int, const char**);
  // Of libtorch_cuda: the stream that the thread's operations are queued on.
  int (*current_stream)(int32_t, void**);

  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    TORCH_CHECK(library, "NVIDIA's driver cannot be opened: ", dlerror());
    bind(device_get, library, "cuDeviceGet");
    bind(device_attribute, library, "cuDeviceGetAttribute");
    bind(primary_context, library, "cuDevicePrimaryCtxRetain");
    bind(context_get, library, "cuCtxGetCurrent");
    bind(context_set, library, "cuCtxSetCurrent");
    bind(module_load, library, "cuModuleLoadData");
    bind(module_function, library, "cuModuleGetFunction");
    bind(launch, library, "cuLaunchKernel");
    bind(function_set, library, "cuFuncSetAttribute");
    bind(occupancy, library, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    bind(error_name, library, "cuGetErrorName");
    bind(current_stream, RTLD_DEFAULT, "aoti_torch_get_current_cuda_stream");
  }

  void check(int code, const char* what) const {
    if (code == 0) return;
    const char* name = nullptr;
    error_name(code, &name);
    TORCH_CHECK(false, what, ": ", name ? name : "an unknown error", " (", code, ")");
  }

  int attribute(at::Device device, int attribute) const {
    int handle = 0, value = 0;
    check(device_get(&handle, device.index()), "cuDeviceGet");
    check(device_attribute(&value, attribute, handle), "cuDeviceGetAttribute");
    return value;
  }

  // libtorch sets a context when it first asks CUDA for something, which a thread may not have done yet.
  void enter(at::Device device) const {
    void* context = nullptr;
    check(context_get(&context), "cuCtxGetCurrent");
    if (context) return;
    int handle = 0;
    check(device_get(&handle, device.index()), "cuDeviceGet");
    check(primary_context(&context, handle), "cuDevicePrimaryCtxRetain");
    check(context_set(context), "cuCtxSetCurrent");
  }
};

const Driver& driver() {
  static const Driver opened;
  return opened;
}

struct Compiler {
  int (*create)(void**, const char*, const char*, int, const char* const*, const char* const*);
  int (*compile)(void*, int, const char* const*);
  int (*log_size)(void*, size_t*);
  int (*log)(void*, char*);
  int (*binary_size)(void*, size_t*);
  int (*binary)(void*, char*);
  int (*destroy)(void**);

  Compiler() {
    void* library = nullptr;
    // PyTorch's own way to it, which knows where its wheels keep it; then by name.
    for (const char* name : {"libcaffe2_nvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}) {
      library = dlopen(name, RTLD_NOW);
      if (library && dlsym(library, "nvrtcCompileProgram")) break;
      library = nullptr;
    }
    TORCH_CHECK(library, "NVRTC cannot be opened: there is no libcaffe2_nvrtc.so nor libnvrtc.so");
    bind(create, library, "nvrtcCreateProgram");
    bind(compile, library, "nvrtcCompileProgram");
    bind(log_size, library, "nvrtcGetProgramLogSize");
    bind(log, library, "nvrtcGetProgramLog");
    bind(binary_size, library, "nvrtcGetCUBINSize");
    bind(binary, library, "nvrtcGetCUBIN");
    bind(destroy, library, "nvrtcDestroyProgram");
  }

  std::vector<char> machine_code(std::vector<std::string> options) const {
    void* program = nullptr;
    TORCH_CHECK(create(&program, SOURCE, "kernels.cu", 0, nullptr, nullptr) == 0, "nvrtcCreateProgram failed");
    const std::unique_ptr<void*, int (*)(void**)> owned(&program, destroy);
    std::vector<const char*> given;
    for (const auto& option : options) given.push_back(option.c_str());
    if (compile(program, static_cast<int>(given.size()), given.data()) != 0) {
      size_t size = 0;
      log_size(program, &size);
      std::vector<char> message(size + 1);
      log(program, message.data());
      TORCH_CHECK(false, "the kernels do not compile: ", message.data());
    }
    size_t size = 0;
    TORCH_CHECK(binary_size(program, &size) == 0 && size > 0, "nvrtcGetCUBINSize failed");
    std::vector<char> code(size);
    TORCH_CHECK(binary(program, code.data()) == 0, "nvrtcGetCUBIN failed");
    return code;
  }
};

const Compiler& compiler() {
  static const Compiler opened;
  return opened;
}

// Numbers of cuda.h.
constexpr int MAX_DYNAMIC_SHARED = 8;
constexpr int MULTIPROCESSOR_COUNT = 16, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76;

std::string architecture(at::Device device) {
  const int major = driver().attribute(device, CAPABILITY_MAJOR), minor = driver().attribute(device, CAPABILITY_MINOR);
  // The conversions of kernels/numbers.cu came with Ampere.
  TORCH_CHECK(major >= 8, "kernels of our own need compute capability 8.0; this device has ", major, ".", minor);
  return "--gpu-architecture=sm_" + std::to_string(10 * major + minor);
}

void* load(at::Device device, const std::vector<std::string>& definitions) {
  std::vector<std::string> options{architecture(device), "--std=c++17",
                                   "-DDYNAMIC_SHARED(name)=extern __shared__ __align__(128) unsigned char name[]"};
  for (const auto& definition : definitions) options.push_back("-D" + definition);
  const auto code = compiler().machine_code(options);
  driver().enter(device);
  void* module = nullptr;
  driver().check(driver().module_load(&module, code.data()), "cuModuleLoadData");
  return module;
}

}  // namespace

const void* quanci::data(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous() && reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0,
              "a kernel of our own takes contiguous tensors that begin at a multiple of 16 bytes");
  return tensor.const_data_ptr();
}

void* quanci::data(at::Tensor& tensor) {
  data(std::as_const(tensor));
  return tensor.mutable_data_ptr();
}

const void* quanci::data_or_null(const at::Tensor& tensor) { return tensor.defined() ? data(tensor) : nullptr; }

std::string quanci::kind_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat: return "KIND=0";
    case at::kBFloat16: return "KIND=1";
    case at::kHalf: return "KIND=2";
    default: TORCH_CHECK(false, "kernels of our own compute in fp32, bf16 and fp16, not in ", tensor.scalar_type());
  }
}

quanci::Kernel quanci::kernel(at::Device device, const std::vector<std::string>& definitions, const char* name,
                              unsigned threads, unsigned shared_bytes) {
  static std::mutex mutex;
  static std::map<std::pair<int, std::vector<std::string>>, void*> modules;
  static std::map<std::tuple<void*, std::string, unsigned, unsigned>, Kernel> kernels;
  static std::map<void*, unsigned> most_shared;
  const std::lock_guard<std::mutex> lock(mutex);
  void*& module = modules[{device.index(), definitions}];
  const auto found = kernels.find({module, name, threads, shared_bytes});
  if (module && found != kernels.end()) return found->second;
  const c10::DeviceGuard guard(device);
  if (!module) module = load(device, definitions);
  driver().enter(device);
  void* function = nullptr;
  driver().check(driver().module_function(&function, module, name), name);
  if (unsigned& most = most_shared[function]; shared_bytes > most) {
    // More than 48 KB have to be asked for.
    driver().check(driver().function_set(function, MAX_DYNAMIC_SHARED, static_cast<int>(shared_bytes)), name);
    most = shared_bytes;
  }
  int blocks = 0;
  driver().check(driver().occupancy(&blocks, function, static_cast<int>(threads), shared_bytes), "cuOccupancyMaxActiveBlocks");
  const auto resident = static_cast<unsigned>(std::max(blocks, 1) * driver().attribute(device, MULTIPROCESSOR_COUNT));
  return kernels.emplace(std::make_tuple(module, std::string(name), threads, shared_bytes), Kernel(function, resident)).first->second;
}

void quanci::Kernel::launch_with(at::Device device, Shape shape, void** arguments) const {
  const c10::DeviceGuard guard(device);
  driver().enter(device);
  void* stream = nullptr;
  TORCH_CHECK(driver().current_stream(device.index(), &stream) == 0, "the current stream is not known");
  const auto code = driver().launch(function_, shape.grid_x, shape.grid_y, 1, shape.block_x, shape.block_y, 1,
                                    shape.shared_bytes, stream, arguments, nullptr);
  driver().check(code, "cuLaunchKernel");
}
