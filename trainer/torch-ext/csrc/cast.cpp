// Copies of parameters in another kind, some of them laid end to end: one node of autograd's graph and a few kernels for a
// whole layer, instead of a node and a kernel for each parameter and another for each of their gradients.
#include "shim.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using quanci::guarded;
using quanci::list;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// The parts of `whole` along its first dimension that stand for `like`, whose shapes agree but for that dimension.
void add_parts(const Tensor& whole, at::TensorList like, std::vector<Tensor>& parts) {
  int64_t start = 0;
  for (const Tensor& tensor : like) {
    parts.push_back(whole.narrow(0, start, tensor.size(0)));
    start += tensor.size(0);
  }
}

class Cast : public torch::autograd::Function<Cast> {
 public:
  static variable_list forward(AutogradContext* context, at::TensorList all, const std::vector<int64_t>& groups,
                               at::ScalarType kind) {
    variable_list made;
    std::vector<Tensor> parts;
    size_t first = 0;
    for (const int64_t count : groups) {
      const auto group = all.slice(first, count);
      auto shape = group[0].sizes().vec();
      shape[0] = 0;
      for (const Tensor& tensor : group) shape[0] += tensor.size(0);
      made.push_back(at::empty(shape, group[0].options().dtype(kind)));
      add_parts(made.back(), group, parts);
      first += count;
    }
    at::_foreach_copy_(parts, all);
    context->save_for_backward(all.vec());
    context->saved_data["groups"] = groups;
    context->set_materialize_grads(false);
    return made;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto tensors = context->get_saved_variables();
    const auto groups = context->saved_data["groups"].toIntVector();
    const at::TensorList all(tensors);
    variable_list results;
    std::vector<Tensor> to, from;
    size_t first = 0;
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto group = all.slice(first, groups[i]);
      first += groups[i];
      for (const Tensor& tensor : group) {
        results.push_back(gradients[i].defined() ? at::empty_like(tensor) : Tensor());
        if (gradients[i].defined()) to.push_back(results.back());
      }
      if (gradients[i].defined()) add_parts(gradients[i].contiguous(), group, from);
    }
    if (!to.empty()) at::_foreach_copy_(to, from);
    results.resize(tensors.size() + 2);  // none for the groups and the kind
    return results;
  }
};

variable_list cast(const variable_list& tensors, const std::vector<int64_t>& groups, at::ScalarType kind) {
  if (tensors[0].scalar_type() != kind) return Cast::apply(at::TensorList(tensors), groups, kind);
  // Nothing to cast: a group of one is the tensor itself.
  variable_list made;
  const at::TensorList all(tensors);
  size_t first = 0;
  for (const int64_t count : groups) {
    made.push_back(count == 1 ? tensors[first] : at::cat(all.slice(first, count), 0));
    first += count;
  }
  return made;
}

}  // namespace

extern "C" {

// `groups` says how many of the tensors, in their order, make one of the results. `kind` is an at::ScalarType.
int quanci_cast(Tensor* const* tensors, int64_t count, const int64_t* groups, int64_t group_count, int kind,
                Tensor** out) {
  return guarded(-1, [&] {
    const auto made = cast(list(tensors, count), {groups, groups + group_count}, static_cast<at::ScalarType>(kind));
    for (size_t i = 0; i < made.size(); ++i) out[i] = new Tensor(made[i]);
    return 0;
  });
}

// Lets tensors have no gradient, so that the next one is taken as it is instead of being added.
int quanci_drop_gradients(Tensor* const* tensors, int64_t count) {
  return guarded(-1, [&] {
    for (int64_t i = 0; i < count; ++i) tensors[i]->mutable_grad().reset();
    return 0;
  });
}

}  // extern "C"
