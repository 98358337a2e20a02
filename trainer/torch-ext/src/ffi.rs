//! The functions of `csrc/`, whose comments say what they do.

use std::ffi::{c_char, c_double, c_int, c_void};
use std::marker::{PhantomData, PhantomPinned};

use torch_sys::C_tensor;

/// A list of tensors, as the shim takes it.
pub(crate) type List = *const *const C_tensor;

/// `QuanciRanks` of `csrc/ranks.cpp`.
#[repr(C)]
pub(crate) struct Ranks {
    _opaque: [u8; 0],
    _neither_send_nor_sync: PhantomData<(*mut u8, PhantomPinned)>,
}

/// `QuanciReducer` of `csrc/ranks.cpp`.
#[repr(C)]
pub(crate) struct Reducer {
    _opaque: [u8; 0],
    _neither_send_nor_sync: PhantomData<(*mut u8, PhantomPinned)>,
}

/// Runs a checkpointed function on inputs that it takes; null if it panicked.
pub(crate) type Run = extern "C" fn(*mut c_void, *mut *mut C_tensor, i64) -> *mut C_tensor;
/// Frees a checkpointed function.
pub(crate) type Drop = extern "C" fn(*mut c_void);

unsafe extern "C" {
    pub(crate) fn quanci_error() -> *const c_char;
    pub(crate) fn quanci_error_kind() -> c_int;

    pub(crate) fn quanci_set_threads(threads: c_int) -> c_int;
    pub(crate) fn quanci_set_tf32(allowed: c_int) -> c_int;
    pub(crate) fn quanci_tf32() -> c_int;
    pub(crate) fn quanci_seed(value: u64, cuda: c_int) -> c_int;

    pub(crate) fn quanci_cuda_devices() -> c_int;
    pub(crate) fn quanci_cuda_memory_peak(cuda_index: c_int) -> i64;
    pub(crate) fn quanci_cuda_memory_reset_peak(cuda_index: c_int) -> c_int;
    pub(crate) fn quanci_cuda_synchronize(cuda_index: c_int) -> c_int;

    pub(crate) fn quanci_cross_entropy(
        hidden: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        labels: *const C_tensor,
        rows_at_once: i64,
        fused: c_int,
        out: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn quanci_cast(
        tensors: List,
        count: i64,
        groups: *const i64,
        group_count: i64,
        kind: c_int,
        out: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn quanci_drop_gradients(tensors: List, count: i64) -> c_int;
    pub(crate) fn quanci_profile_begin(cuda: c_int) -> c_int;
    pub(crate) fn quanci_profile_end(path: *const c_char) -> c_int;
    pub(crate) fn quanci_to_cuda(tensor: *const C_tensor, cuda_index: c_int) -> *mut C_tensor;
    pub(crate) fn quanci_varlen_attention(
        kind: c_int,
        query: *const C_tensor,
        key: *const C_tensor,
        value: *const C_tensor,
        query_offsets: *const C_tensor,
        key_offsets: *const C_tensor,
        longest_query: i64,
        longest_key: i64,
        dropout: c_double,
    ) -> *mut C_tensor;

    pub(crate) fn quanci_add_norm(
        projected: *const C_tensor,
        bias: *const C_tensor,
        residual: *const C_tensor,
        weight: *const C_tensor,
        shift: *const C_tensor,
        dropout: c_double,
        epsilon: c_double,
        out: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn quanci_embed(
        ids: *const C_tensor,
        positions: *const C_tensor,
        words: *const C_tensor,
        table: *const C_tensor,
        weight: *const C_tensor,
        shift: *const C_tensor,
        dropout: c_double,
        epsilon: c_double,
        kind: c_int,
        out: *mut *mut C_tensor,
    ) -> c_int;
    pub(crate) fn quanci_dropout(x: *const C_tensor, share: c_double) -> *mut C_tensor;
    pub(crate) fn quanci_bias_activation(
        x: *const C_tensor,
        bias: *const C_tensor,
        activation: c_int,
    ) -> *mut C_tensor;
    pub(crate) fn quanci_linear_in_three(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        out: *mut *mut C_tensor,
    ) -> c_int;

    pub(crate) fn quanci_fused_adamw(
        parameters: List,
        gradients: List,
        first_moments: List,
        second_moments: List,
        step: *const C_tensor,
        count: i64,
        lr: c_double,
        beta1: c_double,
        beta2: c_double,
        decay: c_double,
        epsilon: c_double,
        grad_scale: *const C_tensor,
        found_inf: *const C_tensor,
    ) -> c_int;
    pub(crate) fn quanci_amp_unscale(
        gradients: List,
        count: i64,
        found_inf: *const C_tensor,
        inverse_scale: *const C_tensor,
    ) -> c_int;
    pub(crate) fn quanci_foreach_norm(tensors: List, count: i64) -> *mut C_tensor;
    pub(crate) fn quanci_foreach_zero(tensors: List, count: i64) -> c_int;
    pub(crate) fn quanci_foreach_mul(tensors: List, count: i64, factor: c_double) -> c_int;
    pub(crate) fn quanci_foreach_mul_tensor(tensors: List, count: i64, factor: *const C_tensor) -> c_int;
    pub(crate) fn quanci_foreach_mul_each(tensors: List, count: i64, factors: *const c_double) -> c_int;
    pub(crate) fn quanci_foreach_add(tensors: List, count: i64, term: c_double) -> c_int;
    pub(crate) fn quanci_foreach_add_list(tensors: List, other: List, count: i64, alpha: c_double) -> c_int;
    pub(crate) fn quanci_foreach_addcmul(
        tensors: List,
        a: List,
        b: List,
        count: i64,
        value: c_double,
    ) -> c_int;
    pub(crate) fn quanci_foreach_sqrt(tensors: List, count: i64, out: *mut *mut C_tensor) -> c_int;
    pub(crate) fn quanci_foreach_div(
        tensors: List,
        other: List,
        count: i64,
        out: *mut *mut C_tensor,
    ) -> c_int;

    pub(crate) fn quanci_checkpoint(
        inputs: List,
        count: i64,
        function: *mut c_void,
        run: Run,
        drop: Drop,
    ) -> *mut C_tensor;

    pub(crate) fn quanci_ranks_connect(
        host: *const c_char,
        port: c_int,
        rank: c_int,
        ranks: c_int,
        timeout_ms: i64,
        agent_store: c_int,
        prefix: *const c_char,
        interface: *const c_char,
        hostname: *const c_char,
        nccl_factory: *mut c_void,
        cuda_index: c_int,
        exit_code: c_int,
    ) -> *mut Ranks;
    pub(crate) fn quanci_ranks_free(ranks: *mut Ranks);
    pub(crate) fn quanci_ranks_diagnose(ranks: *const Ranks) -> c_int;
    pub(crate) fn quanci_ranks_sum(ranks: *mut Ranks, tensors: List, count: i64) -> c_int;
    pub(crate) fn quanci_ranks_broadcast(ranks: *mut Ranks, tensors: List, count: i64, root: c_int) -> c_int;
    pub(crate) fn quanci_ranks_leave(ranks: *mut Ranks) -> c_int;
    pub(crate) fn quanci_ranks_operations(ranks: *const Ranks) -> i64;
    pub(crate) fn quanci_ranks_barrier(ranks: *mut Ranks) -> c_int;
    pub(crate) fn quanci_ranks_all_gather(ranks: *mut Ranks, tensor: *const C_tensor) -> *mut C_tensor;

    pub(crate) fn quanci_reducer_new(
        ranks: *mut Ranks,
        parameters: List,
        names: *const *const c_char,
        count: i64,
        bucket_bytes: i64,
    ) -> *mut Reducer;
    pub(crate) fn quanci_reducer_free(reducer: *mut Reducer);
    pub(crate) fn quanci_reducer_prepare_forward(reducer: *mut Reducer, sync: c_int) -> c_int;
    pub(crate) fn quanci_reducer_prepare_backward(reducer: *mut Reducer) -> c_int;
}
