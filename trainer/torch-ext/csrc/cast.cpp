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

using Shape = std::vector<int64_t>;

// Shapes as one list, each after its number of dimensions. The backward pass needs no more of the tensors: to save them would
// let the node be gone through once only, and a step goes through it for each of its micro-batches.
std::vector<int64_t> flat(at::TensorList tensors) {
  std::vector<int64_t> numbers;
  for (const Tensor& tensor : tensors) {
    numbers.push_back(tensor.dim());
    numbers.insert(numbers.end(), tensor.sizes().begin(), tensor.sizes().end());
  }
  return numbers;
}

std::vector<Shape> shapes_of(const std::vector<int64_t>& numbers) {
  std::vector<Shape> shapes;
  for (auto at = numbers.begin(); at != numbers.end(); at += 1 + *at) shapes.emplace_back(at + 1, at + 1 + *at);
  return shapes;
}

class Cast : public torch::autograd::Function<Cast> {
 public:
  static variable_list forward(AutogradContext* context, at::TensorList tensors, const std::vector<int64_t>& groups,
                               at::ScalarType kind) {
    variable_list made;
    std::vector<Tensor> parts;
    size_t first = 0;
    for (const int64_t count : groups) {
      const auto group = tensors.slice(first, count);
      first += count;
      auto shape = group[0].sizes().vec();
      shape[0] = 0;
      for (const Tensor& tensor : group) shape[0] += tensor.size(0);
      made.push_back(at::empty(shape, group[0].options().dtype(kind)));
      int64_t start = 0;
      for (const Tensor& tensor : group) {
        parts.push_back(made.back().narrow(0, start, tensor.size(0)));
        start += tensor.size(0);
      }
    }
    at::_foreach_copy_(parts, tensors);
    context->saved_data["groups"] = groups;
    context->saved_data["shapes"] = flat(tensors);
    context->saved_data["kind"] = tensors[0].scalar_type();
    context->set_materialize_grads(false);
    return made;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto groups = context->saved_data["groups"].toIntVector();
    const auto shapes = shapes_of(context->saved_data["shapes"].toIntVector());
    const auto kind = context->saved_data["kind"].toScalarType();
    variable_list results;
    std::vector<Tensor> to, from;
    for (size_t i = 0; i < groups.size(); ++i) {
      const Tensor gradient = gradients[i].defined() ? gradients[i].contiguous() : Tensor();
      int64_t start = 0;
      for (int64_t j = 0; j < groups[i]; ++j) {
        const Shape& shape = shapes[results.size()];
        results.emplace_back();
        if (!gradient.defined()) continue;
        results.back() = at::empty(shape, gradient.options().dtype(kind));
        to.push_back(results.back());
        from.push_back(gradient.narrow(0, start, shape[0]));
        start += shape[0];
      }
    }
    if (!to.empty()) at::_foreach_copy_(to, from);
    results.resize(shapes.size() + 2);  // none for the groups and the kind
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
