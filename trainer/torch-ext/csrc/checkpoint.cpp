// Activation checkpointing: torch.utils.checkpoint (use_reentrant=True) as a node of autograd's graph.
//
// Forward runs the function without recording and keeps its inputs alone. Backward runs it again on the same random
// numbers, records this time, and sends the gradient through: parameters accumulate (and the
// Reducer hears of it) in this inner backward, and the inputs' gradients are the node's result.
#include "shim.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

using at::Tensor;
using quanci::guarded;
using quanci::list;

// Runs the function. Takes ownership of the inputs; the result is null if it panicked.
using Run = Tensor* (*)(void* function, Tensor** inputs, int64_t count);
using Drop = void (*)(void* function);

namespace {

// The function, which belongs to Rust.
class Function {
 public:
  Function(void* function, Run run, Drop drop) : function_(function), run_(run), drop_(drop) {}
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  ~Function() { drop_(function_); }

  Tensor operator()(const std::vector<Tensor>& inputs) const {
    std::vector<Tensor*> given;
    for (const Tensor& input : inputs) given.push_back(new Tensor(input));
    const std::unique_ptr<Tensor> output(run_(function_, given.data(), static_cast<int64_t>(given.size())));
    TORCH_CHECK(output, "the function that is checkpointed panicked");
    return *output;
  }

 private:
  void* function_;
  Run run_;
  Drop drop_;
};

// Where the random generators are: the CPU's, and those of the CUDA devices of some tensors.
class Generators {
 public:
  explicit Generators(const std::vector<Tensor>& tensors) {
    keep(at::Device(at::kCPU));
    for (const Tensor& tensor : tensors) {
      if (tensor.is_cuda()) keep(tensor.device());
    }
  }

  void restore() const {
    for (const auto& [device, state] : states_) {
      at::Generator generator = at::globalContext().defaultGenerator(device);
      std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(state);
    }
  }

  // The present states of the same generators.
  Generators present() const {
    Generators now;
    for (const auto& [device, state] : states_) now.keep(device);
    return now;
  }

 private:
  Generators() = default;

  void keep(at::Device device) {
    for (const auto& [known, state] : states_) {
      if (known == device) return;
    }
    at::Generator generator = at::globalContext().defaultGenerator(device);
    std::lock_guard<std::mutex> lock(generator.mutex());
    states_.emplace_back(device, generator.get_state());
  }

  std::vector<std::pair<at::Device, Tensor>> states_;
};

// Winds the generators back for a while.
class Rewound {
 public:
  explicit Rewound(const Generators& then) : now_(then.present()) { then.restore(); }
  Rewound(const Rewound&) = delete;
  Rewound& operator=(const Rewound&) = delete;
  ~Rewound() { now_.restore(); }

 private:
  Generators now_;
};

class CheckpointNode : public torch::autograd::Node {
 public:
  CheckpointNode(std::shared_ptr<Function> function, const std::vector<Tensor>& inputs)
      : function_(std::move(function)), generators_(inputs) {
    for (const Tensor& input : inputs) inputs_.emplace_back(input, /*is_output=*/false);
    set_next_edges(torch::autograd::collect_next_edges(inputs));
  }

  std::string name() const override { return "QuanciCheckpoint"; }

  void release_variables() override {
    for (auto& input : inputs_) input.reset_data();
    function_.reset();
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    TORCH_CHECK(function_, "a checkpoint is gone backward through once only");
    if (!gradients[0].defined()) return torch::autograd::variable_list(inputs_.size());
    std::vector<Tensor> inputs = unpack();
    const Tensor output = again(inputs);
    if (output.requires_grad()) {
      at::AutoGradMode recording(false);
      torch::autograd::backward({output}, {gradients[0]});
    }
    torch::autograd::variable_list results;
    for (const Tensor& input : inputs) results.push_back(input.requires_grad() ? input.grad() : Tensor());
    return results;
  }

 private:
  std::vector<Tensor> unpack() const {
    std::vector<Tensor> inputs;
    for (const auto& saved : inputs_) {
      const Tensor input = saved.unpack();
      inputs.push_back(input.detach().set_requires_grad(input.requires_grad()));
    }
    return inputs;
  }

  Tensor again(const std::vector<Tensor>& inputs) const {
    const Rewound random(generators_);
    at::AutoGradMode recording(true);
    return (*function_)(inputs);
  }

  std::shared_ptr<Function> function_;
  std::vector<torch::autograd::SavedVariable> inputs_;
  Generators generators_;
};

bool any_requires_grad(const std::vector<Tensor>& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const Tensor& tensor) { return tensor.requires_grad(); });
}

Tensor checkpoint(std::shared_ptr<Function> function, const std::vector<Tensor>& inputs) {
  if (!at::GradMode::is_enabled() || !any_requires_grad(inputs)) return (*function)(inputs);
  const std::shared_ptr<CheckpointNode> node(new CheckpointNode(function, inputs), torch::autograd::deleteNode);
  Tensor output;
  {
    at::NoGradGuard no_grad;
    output = (*function)(inputs).detach();
  }
  torch::autograd::set_history(output, node);
  return output;
}

}  // namespace

extern "C" Tensor* quanci_checkpoint(Tensor* const* inputs, int64_t count, void* function, Run run, Drop drop) {
  return guarded(static_cast<Tensor*>(nullptr), [&] {
    return new Tensor(checkpoint(std::make_shared<Function>(function, run, drop), list(inputs, count)));
  });
}
