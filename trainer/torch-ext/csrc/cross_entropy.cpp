// The head of masked language modelling, projection and cross entropy in one: logits are made a few rows at a time, and
// their gradient at once, so that [rows, vocabulary] is never held. (The idea of Liger Kernel's and Apple's fused linear
// cross entropy, with ATen's operations.)
#include "shim.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using quanci::guarded;

namespace {

// What one chunk of rows adds. `weight` is [V, H], `hidden` [n, H], `labels` [n].
struct Chunk {
  Tensor log_shares;  // [n, V], fp32
  Tensor logits;      // [n, V], in the weights' kind
};

Chunk chunk_of(const Tensor& hidden, const Tensor& weight, const Tensor& bias) {
  const Tensor logits = at::addmm(bias, hidden, weight.t());
  return {at::log_softmax(logits, -1, at::kFloat), logits};
}

class CrossEntropy : public torch::autograd::Function<CrossEntropy> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, const Tensor& hidden,
                                                const Tensor& weight, const Tensor& bias, const Tensor& labels,
                                                int64_t rows_at_once, bool with_gradient) {
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
      const Tensor label = labels.narrow(0, start, count).unsqueeze(1);
      const auto [log_shares, logits] = chunk_of(part, weight, bias);
      loss.sub_(log_shares.gather(1, label).sum());
      correct.add_(logits.argmax(-1, /*keepdim=*/true).eq(label).sum());
      if (!with_gradient) continue;
      // The gradient by the logits: their softmax, less 1 at the label.
      Tensor gradient = log_shares.exp_();
      gradient.scatter_add_(1, label, at::full({count, 1}, -1.0, fp32));
      bias_gradient.add_(gradient.sum(0));
      gradient = gradient.to(weight.scalar_type());
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
    return {scaled(saved[0]), scaled(saved[1]), scaled(saved[2]), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

// `out` takes the sum of the cross entropies (scalar, fp32) and the count of rows predicted correctly (scalar, int64).
extern "C" int quanci_cross_entropy(const Tensor* hidden, const Tensor* weight, const Tensor* bias, const Tensor* labels,
                                    int64_t rows_at_once, Tensor** out) {
  return guarded(-1, [&] {
    const bool with_gradient = at::GradMode::is_enabled() &&
                               (hidden->requires_grad() || weight->requires_grad() || bias->requires_grad());
    const auto made = CrossEntropy::apply(*hidden, *weight, *bias, *labels, rows_at_once, with_gradient);
    out[0] = new Tensor(made[0]);
    out[1] = new Tensor(made[1]);
    return 0;
  });
}
