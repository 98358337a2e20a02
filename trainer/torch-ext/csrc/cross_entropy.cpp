// The head of masked language modelling, projection and cross entropy in one: logits are made a few rows at a time, and
// their gradient at once, so that [rows, vocabulary] is never held. (The idea of Liger Kernel's and Apple's fused linear
// cross entropy, with ATen's operations.)
#include "kernels.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using quanci::guarded;

namespace {

// What a chunk of rows gives, besides the gradient by its logits.
struct Chunk {
  Tensor loss;      // sum over the rows, scalar, fp32
  Tensor correct;   // rows whose largest logit is the label's, scalar, int64
  Tensor gradient;  // [n, V] in the weights' kind
};

// One kernel of our own (kernels/cross_entropy.cu), which leaves the gradient where the logits were.
Chunk by_kernel(Tensor logits, const Tensor& labels) {
  const int64_t rows = labels.size(0);
  const auto device = logits.device();
  Tensor losses = at::empty({rows}, logits.options().dtype(at::kFloat)), correct = at::empty_like(labels);
  if (rows > 0) {
    const auto kernel = quanci::kernel(device, {quanci::kind_of(logits)}, "cross_entropy", 512);
    kernel.launch(device, {static_cast<unsigned>(rows), 1, 512, 1}, logits.mutable_data_ptr(),
                  labels.const_data_ptr(), losses.mutable_data_ptr(), correct.mutable_data_ptr(),
                  static_cast<int>(logits.size(1)));
  }
  // Rows beyond the labels fill up the batch: they are predicted, and nothing is asked of them.
  logits.narrow(0, rows, logits.size(0) - rows).zero_();
  return {losses.sum(), correct.sum(), logits};
}

Chunk by_operations(const Tensor& logits, const Tensor& labels, bool with_gradient) {
  const int64_t rows = labels.size(0);
  const Tensor read = logits.narrow(0, 0, rows), label = labels.unsqueeze(1);
  const Tensor log_shares = at::log_softmax(read, -1, at::kFloat);
  const Tensor loss = log_shares.gather(1, label).sum().neg();
  const Tensor correct = read.argmax(-1, /*keepdim=*/true).eq(label).sum();
  if (!with_gradient) return {loss, correct, Tensor()};
  // The gradient by the logits: their softmax, less 1 at the label.
  Tensor gradient = log_shares.exp_();
  gradient.scatter_add_(1, label, at::full({rows, 1}, -1.0, gradient.options()));
  if (logits.size(0) > rows) gradient = at::constant_pad_nd(gradient, {0, 0, 0, logits.size(0) - rows});
  return {loss, correct, gradient};
}

class CrossEntropy : public torch::autograd::Function<CrossEntropy> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const Tensor& hidden,
                                                const Tensor& weight, const Tensor& bias, const Tensor& labels,
                                                int64_t rows_at_once, bool fused, bool with_gradient) {
    const int64_t rows = hidden.size(0);
    const auto fp32 = hidden.options().dtype(at::kFloat);
    Tensor loss = at::zeros({}, fp32);
    Tensor correct = at::zeros({}, labels.options());
    Tensor hidden_gradient, weight_gradient, bias_gradient;
    if (with_gradient) {
      hidden_gradient = at::empty_like(hidden);
      weight_gradient = at::zeros(weight.sizes(), fp32);
      bias_gradient = at::zeros(bias.sizes(), fp32);
    }
    for (int64_t start = 0; start < rows; start += rows_at_once) {
      const int64_t count = std::min(rows_at_once, rows - start);
      const Tensor part = hidden.narrow(0, start, count);
      const int64_t labelled = std::clamp<int64_t>(labels.size(0) - start, 0, count);
      const Tensor label = labels.narrow(0, labelled > 0 ? start : 0, labelled);
      const Tensor logits = at::addmm(bias, part, weight.t());
      const Chunk chunk = fused ? by_kernel(logits, label) : by_operations(logits, label, with_gradient);
      loss.add_(chunk.loss);
      correct.add_(chunk.correct);
      if (!with_gradient) continue;
      bias_gradient.add_(chunk.gradient.sum(0, /*keepdim=*/false, at::kFloat));
      const Tensor gradient = chunk.gradient.to(weight.scalar_type());
      Tensor own = hidden_gradient.narrow(0, start, count);
      at::mm_out(own, gradient, weight);
      if (weight.scalar_type() == at::kFloat) {
        weight_gradient.addmm_(gradient.t(), part);
      } else {
        weight_gradient.add_(at::mm(gradient.t(), part));  // sums over chunks in fp32
      }
    }
    if (with_gradient) {
      context->save_for_backward({hidden_gradient, weight_gradient, bias_gradient});
      context->saved_data["kind"] = weight.scalar_type();
    }
    context->mark_non_differentiable({correct});
    return {loss, correct};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto kind = context->saved_data["kind"].toScalarType();
    // Scaled in fp32: a loss scale of fp16 belongs to what comes after.
    auto scaled = [&](const Tensor& tensor) { return (tensor.to(at::kFloat) * gradients[0]).to(kind); };
    return {scaled(saved[0]), scaled(saved[1]), scaled(saved[2]), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

// There may be fewer labels than rows: the rows beyond them count nothing. `fused`: by a kernel of our own, on CUDA alone.
// `out` takes the sum of the cross entropies (scalar, fp32) and the count of rows predicted correctly (scalar, int64).
extern "C" int quanci_cross_entropy(const Tensor* hidden, const Tensor* weight, const Tensor* bias, const Tensor* labels,
                                    int64_t rows_at_once, int fused, Tensor** out) {
  return guarded(-1, [&] {
    const bool with_gradient = at::GradMode::is_enabled() &&
                               (hidden->requires_grad() || weight->requires_grad() || bias->requires_grad());
    const auto made = CrossEntropy::apply(*hidden, *weight, *bias, *labels, rows_at_once, fused != 0, with_gradient);
    out[0] = new Tensor(made[0]);
    out[1] = new Tensor(made[1]);
    return 0;
  });
}
