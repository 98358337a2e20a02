#!/usr/bin/env bash
# Lays libtorch 2.11.0 in .libtorch/, where `cargo build` looks for it. Run again: does nothing once it is there.
#
#   trainer/setup-libtorch.sh          CPU only: 550 MB to fetch, 0.5 GB on disk
#   trainer/setup-libtorch.sh cuda     with CUDA 13 and NCCL: 2.5 GB to fetch, 5 GB on disk
#   TORCH_SITE_PACKAGES=DIR trainer/setup-libtorch.sh [cuda]     the PyTorch 2.11 of a Python environment, by links
#
# The layout is that of site-packages, torch/ beside nvidia/: the libraries find one another by it. Nothing is
# installed into the Python that fetches the wheels. PYTHON and the usual pip settings (PIP_INDEX_URL, ...) are obeyed.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=2.11.0
MODE=${1:-cpu}
PYTHON=${PYTHON:-python3}
DONE=.libtorch/.done-$VERSION
NEW=.libtorch.new

CPU_WHEELS=(torch==$VERSION nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
# What libtorch_cuda.so needs at run time; the last two are headers, to compile the NCCL plug-in.
CUDA_WHEELS=(nvidia-cuda-nvrtc==13.0.88 nvidia-cublas==13.1.0.3 nvidia-cufft==12.0.0.61 nvidia-cufile==1.15.1.6
    nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66 nvidia-cusparse==12.6.3.3 nvidia-nvjitlink==13.0.88
    nvidia-nvtx==13.0.85 nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9
    nvidia-nvshmem-cu13==3.4.5 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85)

fail() {
    echo "setup-libtorch: $*" >&2
    exit 1
}

need_tools() {
    command -v "${CXX:-g++}" >/dev/null ||
        fail "no C++ compiler (${CXX:-g++}): install one (Debian: apt install g++) or set CXX"
    [ -n "${TORCH_SITE_PACKAGES:-}" ] && return
    command -v "$PYTHON" >/dev/null ||
        fail "no $PYTHON: the wheels are fetched with pip; install Python 3 or set PYTHON"
    "$PYTHON" -m pip --version >/dev/null 2>&1 ||
        fail "$PYTHON has no pip: install it (Debian: apt install python3-pip) or set PYTHON to one that has it"
}

fetch_wheels() {
    local wheels=("${CPU_WHEELS[@]}")
    [ "$MODE" = cuda ] && wheels+=("${CUDA_WHEELS[@]}")
    echo "setup-libtorch: fetching torch $VERSION for $MODE; this takes a few minutes" >&2
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary=:all: \
        --target "$NEW" "${wheels[@]}" ||
        fail "pip could not fetch the wheels of torch $VERSION (is $("$PYTHON" --version) 3.10 to 3.14? is there a network?)"
}

# Links to an environment's packages: nothing is fetched.
link_environment() {
    [ -e "$TORCH_SITE_PACKAGES/torch/version.py" ] || fail "TORCH_SITE_PACKAGES=$TORCH_SITE_PACKAGES has no torch/"
    grep -q "__version__ = '$VERSION" "$TORCH_SITE_PACKAGES/torch/version.py" ||
        fail "TORCH_SITE_PACKAGES holds another torch than $VERSION"
    mkdir -p "$NEW"
    ln -s "$TORCH_SITE_PACKAGES/torch" "$NEW/torch"
    [ -d "$TORCH_SITE_PACKAGES/nvidia" ] && ln -s "$TORCH_SITE_PACKAGES/nvidia" "$NEW/nvidia"
    return 0
}

# The wheel's CUDA libraries and Python part are two thirds of it; without a GPU nothing opens them.
prune_to_cpu() {
    local torch=$NEW/torch
    find "$NEW" -mindepth 1 -maxdepth 1 ! -name torch ! -name nvidia -exec rm -rf {} +
    find "$torch" -mindepth 1 -maxdepth 1 ! -name lib ! -name include ! -name version.py -exec rm -rf {} +
    rm -f "$torch"/lib/lib{torch_cuda,torch_cuda_linalg,c10_cuda,torch_python,torch_nvshmem,caffe2_nvrtc,shm}.so
    # The true libtorch.so only lists the libraries it needs, libtorch_cuda.so among them: an empty one takes its place.
    "${CXX:-g++}" -shared -o "$torch/lib/libtorch.so" -Wl,-soname,libtorch.so -x c++ /dev/null
}

case $MODE in cpu | cuda) ;; *) fail "unknown mode $MODE: cpu or cuda" ;; esac
if [ -e "$DONE-$MODE" ] || { [ "$MODE" = cpu ] && [ -e "$DONE-cuda" ]; }; then
    exit 0
fi
need_tools
rm -rf "$NEW"
if [ -n "${TORCH_SITE_PACKAGES:-}" ]; then
    link_environment
else
    fetch_wheels
    [ "$MODE" = cpu ] && prune_to_cpu
    echo "$VERSION" >"$NEW/torch/build-version" # lets tch's build check it
fi
rm -rf .libtorch
mv "$NEW" .libtorch
touch "$DONE-$MODE"
echo "setup-libtorch: torch $VERSION ($MODE) is in .libtorch/" >&2
