// What lies between the matrix products of a transformer layer, in one pass each: by the kernels of kernels/ on CUDA, by ATen elsewhere.
// ATen's way computes the same function, with the same numbers left out by dropout, and is what the kernels are compared with.
#include "dropout.h"
#include "kernels.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using quanci::data;
using quanci::data_or_null;
using quanci::Dropout;
using quanci::guarded;
using quanci::kind_of;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// ---- what the kernels are told

int64_t packs_of(int64_t columns) {
  TORCH_CHECK(columns > 0 && columns % 8 == 0, "kernels of our own take multiples of 8 columns, not ", columns);
  return columns / 8;
}

// The sum of [parts, columns] over the parts, in the kind of `like`.
Tensor sum_parts(const Tensor& partial, const Tensor& like) {
  const auto columns = static_cast<int>(partial.size(1));
  Tensor out = at::empty({columns}, like.options());
  quanci::kernel(like.device(), {kind_of(like)}, "sum_parts", 256)
      .launch(like.device(), {static_cast<unsigned>(columns + 31) / 32, 1, 32, 8}, data(partial), data(out),
              static_cast<int>(partial.size(0)), columns);
  return out;
}

// A grid for a kernel whose threads keep to their columns: blocks across the columns, and as many down the rows as there
// is room for at once.
struct Columns {
  unsigned threads, across;

  explicit Columns(int64_t packs)
      : threads(static_cast<unsigned>(std::min<int64_t>(128, (packs + 31) / 32 * 32))),
        across(static_cast<unsigned>((packs + threads - 1) / threads)) {}

  quanci::Shape shape(const quanci::Kernel& kernel, int64_t rows) const {
    const unsigned down = std::max(1u, kernel.resident() / across);
    return {across, static_cast<unsigned>(std::min<int64_t>(down, rows)), threads, 1};
  }
};

// ---- bias, dropout, residual sum and LayerNorm

// Two handles of one tensor: a residual sum and a product both read it, and each sends its gradient to its own handle, so
// that the backward pass reads both in one kernel instead of adding them up in another.
variable_list twice(const Tensor& tensor) { return {tensor, tensor.variable_data()}; }

// The gradients by two handles, the defined one first.
std::pair<const Tensor, const Tensor> both(const variable_list& gradients) {
  Tensor first = gradients[0], second = gradients[1];
  if (!first.defined()) std::swap(first, second);
  if (first.defined()) first = first.contiguous();
  if (second.defined()) second = second.contiguous();
  return {first, second};
}

// Blocks of the kernels that take whole rows.
struct Rows {
  int64_t rows, width;
  unsigned threads, at_once;  // threads of a block, rows that it works on at once: LANES * ROWS and ROWS of kernels/norm.cu

  Rows(int64_t rows, int64_t width) : rows(rows), width(width) {
    const auto warps = static_cast<unsigned>((packs_of(width) + 127) / 128);
    at_once = warps == 1 ? 4 : 1;
    threads = 32 * warps * at_once;
  }

  quanci::Kernel kernel(const Tensor& like, const char* name) const {
    return quanci::kernel(like.device(), {kind_of(like), "WIDTH=" + std::to_string(width)}, name, threads);
  }

  quanci::Shape shape(const quanci::Kernel& kernel) const {
    const int64_t blocks = (rows + at_once - 1) / at_once;
    return {static_cast<unsigned>(std::min<int64_t>(blocks, kernel.resident())), 1, threads, 1};
  }
};

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& projected, const Tensor& bias,
                               const Tensor& residual, const Tensor& weight, const Tensor& shift,
                               const Dropout& dropout, double epsilon) {
    const int64_t rows = projected.size(0), width = projected.size(1);
    Tensor sum = at::empty_like(projected), out = at::empty_like(projected);
    Tensor mean = at::empty({rows}, projected.options().dtype(at::kFloat)), rstd = at::empty_like(mean);
    const Rows blocks(rows, width);
    const auto kernel = blocks.kernel(projected, "add_norm");
    kernel.launch(projected.device(), blocks.shape(kernel), data(projected), data(bias), data(residual),
                  data(weight), data(shift), data(sum), data(out), data(mean), data(rstd), rows, dropout.seed,
                  dropout.threshold, dropout.scale, static_cast<float>(epsilon));
    context->save_for_backward({sum, mean, rstd, weight});
    dropout.save(context);
    context->set_materialize_grads(false);
    return twice(out);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &sum = saved[0], &mean = saved[1], &rstd = saved[2], &weight = saved[3];
    const auto dropout = Dropout::saved(context);
    const int64_t rows = sum.size(0), width = sum.size(1);
    const auto [first, second] = both(gradients);
    if (!first.defined()) return variable_list(7);
    const Rows blocks(rows, width);
    const auto kernel = blocks.kernel(sum, "add_norm_backward");
    const auto grid = blocks.shape(kernel);
    Tensor by_residual = at::empty_like(sum);
    Tensor by_projected = dropout.threshold > 0 ? at::empty_like(sum) : by_residual;
    Tensor partial = at::empty({grid.grid_x, 3 * width}, mean.options());
    kernel.launch(sum.device(), grid, data(first), data_or_null(second), data(sum), data(mean), data(rstd),
                  data(weight), data(by_residual), data(by_projected), data(partial), rows, dropout.seed,
                  dropout.threshold, dropout.scale);
    const auto sums = sum_parts(partial, weight).split(width);
    return {by_projected, sums[2], by_residual, sums[0], sums[1], Tensor(), Tensor()};
  }
};

variable_list add_norm(const Tensor& projected, const Tensor& bias, const Tensor& residual, const Tensor& weight,
                       const Tensor& shift, double share, double epsilon) {
  TORCH_CHECK(projected.dim() == 2 && residual.sizes() == projected.sizes(), "add_norm takes two tensors of [rows, width]");
  const Dropout dropout(share);
  if (projected.is_cuda() && projected.size(0) > 0) {
    return AddNorm::apply(projected.contiguous(), bias.contiguous(), residual.contiguous(), weight.contiguous(),
                          shift.contiguous(), dropout, epsilon);
  }
  const Tensor sum = dropout.apply(projected + bias) + residual;
  const Tensor out = at::layer_norm(sum, weight.sizes(), weight, shift, epsilon);
  return {out, out};
}

// ---- embeddings

class Embed : public torch::autograd::Function<Embed> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& ids, const Tensor& positions,
                               const Tensor& words, const Tensor& table, const Tensor& weight, const Tensor& shift,
                               const Dropout& dropout, double epsilon, at::ScalarType kind) {
    const int64_t rows = ids.size(0), width = words.size(1);
    Tensor out = at::empty({rows, width}, words.options().dtype(kind));
    Tensor mean = at::empty({rows}, words.options()), rstd = at::empty_like(mean);
    const Rows blocks(rows, width);
    const auto kernel = blocks.kernel(out, "embed");
    kernel.launch(words.device(), blocks.shape(kernel), integers(ids), integers(positions), data(words), data(table),
                  data(weight), data(shift), data(out), data(mean), data(rstd), rows, dropout.seed, dropout.threshold,
                  dropout.scale, static_cast<float>(epsilon));
    context->save_for_backward({ids, positions, words, table, weight, mean, rstd});
    dropout.save(context);
    context->set_materialize_grads(false);
    return twice(out);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &ids = saved[0], &positions = saved[1], &words = saved[2], &table = saved[3], &weight = saved[4];
    const Tensor &mean = saved[5], &rstd = saved[6];
    const auto dropout = Dropout::saved(context);
    const int64_t rows = ids.size(0), width = words.size(1);
    const auto [first, second] = both(gradients);
    if (!first.defined()) return variable_list(9);
    const Rows blocks(rows, width);
    const auto kernel = blocks.kernel(first, "embed_backward");
    const auto grid = blocks.shape(kernel);
    Tensor by_sum = at::empty({rows, width}, words.options());
    Tensor partial = at::empty({grid.grid_x, 2 * width}, words.options());
    kernel.launch(words.device(), grid, data(first), data_or_null(second), integers(ids), integers(positions),
                  data(words), data(table), data(mean), data(rstd), data(weight), data(by_sum), data(partial), rows,
                  dropout.seed, dropout.threshold, dropout.scale);
    const auto sums = sum_parts(partial, weight).split(width);
    const auto by_table = [&](const Tensor& of, const Tensor& at) {
      return at::embedding_dense_backward(by_sum, at, of.size(0), /*padding_idx=*/-1, /*scale_grad_by_freq=*/false);
    };
    return {Tensor(), Tensor(), by_table(words, ids), by_table(table, positions), sums[0], sums[1], Tensor(), Tensor(),
            Tensor()};
  }

 private:
  static const void* integers(const Tensor& tensor) {
    TORCH_CHECK(tensor.scalar_type() == at::kLong && tensor.is_contiguous(), "ids and positions are contiguous int64");
    return tensor.const_data_ptr();
  }
};

variable_list embed(const Tensor& ids, const Tensor& positions, const Tensor& words, const Tensor& table,
                    const Tensor& weight, const Tensor& shift, double share, double epsilon, at::ScalarType kind) {
  TORCH_CHECK(ids.dim() == 1 && ids.sizes() == positions.sizes(), "embed takes two tensors of [rows]");
  const Dropout dropout(share);
  if (words.is_cuda() && ids.size(0) > 0) {
    return Embed::apply(ids, positions, words, table.contiguous(), weight, shift, dropout, epsilon, kind);
  }
  const Tensor sum = at::embedding(words, ids) + at::embedding(table, positions);
  const Tensor out = at::layer_norm(sum, weight.sizes(), weight, shift, epsilon).to(kind);
  const Tensor kept = dropout.apply(out);
  return {kept, kept};
}

// ---- bias and activation

// Numbers of quanci-torch-ext's Activation and of kernels/activation.cu.
enum Activation : int { GELU = 0, GELU_TANH = 1, RELU = 2 };

class BiasActivation : public torch::autograd::Function<BiasActivation> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& bias, int64_t activation) {
    const int64_t rows = x.size(0), packs = packs_of(x.size(1));
    Tensor out = at::empty_like(x);
    const Columns columns(packs);
    const auto kernel = find(x, activation, "bias_activation", columns);
    kernel.launch(x.device(), columns.shape(kernel, rows), data(x), data(bias), data(out), rows,
                  static_cast<int>(packs));
    context->save_for_backward({x, bias});
    context->saved_data["activation"] = activation;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &bias = saved[1], gradient = gradients[0].contiguous();
    const int64_t rows = x.size(0), packs = packs_of(x.size(1));
    const Columns columns(packs);
    const auto kernel = find(x, context->saved_data["activation"].toInt(), "bias_activation_backward", columns);
    const auto shape = columns.shape(kernel, rows);
    Tensor by_x = at::empty_like(x), partial = at::empty({shape.grid_y, x.size(1)}, x.options().dtype(at::kFloat));
    kernel.launch(x.device(), shape, data(gradient), data(x), data(bias), data(by_x), data(partial), rows,
                  static_cast<int>(packs));
    return {by_x, sum_parts(partial, bias), Tensor()};
  }

 private:
  static quanci::Kernel find(const Tensor& like, int64_t activation, const char* name, const Columns& columns) {
    const auto definition = "ACTIVATION=" + std::to_string(activation);
    return quanci::kernel(like.device(), {kind_of(like), definition}, name, columns.threads);
  }
};

Tensor bias_activation(const Tensor& x, const Tensor& bias, int64_t activation) {
  TORCH_CHECK(x.dim() == 2, "bias_activation takes [rows, columns]");
  if (x.is_cuda() && x.size(0) > 0) return BiasActivation::apply(x.contiguous(), bias.contiguous(), activation);
  const Tensor sum = x + bias;
  if (activation == RELU) return at::relu(sum);
  return at::gelu(sum, activation == GELU ? "none" : "tanh");
}

// ---- a product whose result is read in three parts

class LinearInThree : public torch::autograd::Function<LinearInThree> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias) {
    context->save_for_backward({x, weight});
    variable_list parts;
    for (const Tensor& part : at::addmm(bias, x, weight.t()).chunk(3, 1)) parts.push_back(part.variable_data());
    return parts;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const int64_t rows = x.size(0), width = weight.size(0) / 3, packs = packs_of(width);
    Tensor joined = side_by_side(gradients);
    if (joined.defined()) return {at::mm(joined, weight), at::mm(joined.t(), x), joined.sum(0)};
    const Tensor a = gradients[0].contiguous(), b = gradients[1].contiguous(), c = gradients[2].contiguous();
    const Columns columns(3 * packs);
    const auto kernel = quanci::kernel(a.device(), {kind_of(a)}, "join_three", columns.threads);
    const auto shape = columns.shape(kernel, rows);
    joined = at::empty({rows, 3 * width}, a.options());
    Tensor partial = at::empty({shape.grid_y, 3 * width}, a.options().dtype(at::kFloat));
    kernel.launch(a.device(), shape, data(a), data(b), data(c), data(joined), data(partial), rows,
                  static_cast<int>(packs));
    return {at::mm(joined, weight), at::mm(joined.t(), x), sum_parts(partial, weight)};
  }

 private:
  // The three as one tensor, if they lie side by side in memory, as our attention leaves them.
  static Tensor side_by_side(const variable_list& parts) {
    const int64_t rows = parts[0].size(0), width = parts[0].size(1);
    for (size_t i = 0; i < 3; ++i) {
      const Tensor& part = parts[i];
      const bool fits = part.stride(0) == 3 * width && part.stride(1) == 1 && part.is_alias_of(parts[0]) &&
                        part.storage_offset() == parts[0].storage_offset() + static_cast<int64_t>(i) * width;
      if (!fits) return Tensor();
    }
    return parts[0].as_strided({rows, 3 * width}, {3 * width, 1});
  }
};

variable_list linear_in_three(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.is_cuda() && x.size(0) > 0) return LinearInThree::apply(x, weight, bias);
  return at::linear(x, weight, bias).chunk(3, 1);
}

void give(const variable_list& tensors, Tensor** out) {
  for (size_t i = 0; i < tensors.size(); ++i) out[i] = new Tensor(tensors[i]);
}

}  // namespace

extern "C" {

int quanci_add_norm(const Tensor* projected, const Tensor* bias, const Tensor* residual, const Tensor* weight,
                    const Tensor* shift, double dropout, double epsilon, Tensor** out) {
  return guarded(-1, [&] {
    give(add_norm(*projected, *bias, *residual, *weight, *shift, dropout, epsilon), out);
    return 0;
  });
}

// `kind` is an at::ScalarType.
int quanci_embed(const Tensor* ids, const Tensor* positions, const Tensor* words, const Tensor* table,
                 const Tensor* weight, const Tensor* shift, double dropout, double epsilon, int kind, Tensor** out) {
  return guarded(-1, [&] {
    give(embed(*ids, *positions, *words, *table, *weight, *shift, dropout, epsilon, static_cast<at::ScalarType>(kind)),
         out);
    return 0;
  });
}

Tensor* quanci_bias_activation(const Tensor* x, const Tensor* bias, int activation) {
  return guarded(static_cast<Tensor*>(nullptr), [&] { return new Tensor(bias_activation(*x, *bias, activation)); });
}

int quanci_linear_in_three(const Tensor* x, const Tensor* weight, const Tensor* bias, Tensor** out) {
  return guarded(-1, [&] {
    give(linear_in_three(*x, *weight, *bias), out);
    return 0;
  });
}

}  // extern "C"
