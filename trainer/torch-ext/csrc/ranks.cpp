// Data parallelism: c10d's own store, process groups and Reducer, and what tells which rank is missing.
//
// Who is missing. Every rank counts its own arrival under `here/<rank>`, and from then on a thread of its own counts up
// `beat/<rank>`. When an operation fails, the first rank that notices watches all the beats for a while: those that
// stand still are gone. It writes that down under `verdict`, which later ones read, so that ranks that end because of
// the failure are not taken for its cause. The store lives in rank 0 (or in torchrun's agent): when it does not answer,
// that one is gone.
//
// A rank may never learn of it: NCCL within a machine waits for a dead process until the time-out, and the host waits for
// NCCL. So the thread that counts also watches the next rank. If that one stands still for PATIENCE beats, the thread
// writes the verdict down, which the threads of all ranks read, gives its rank GRACE beats to end by an error of its own,
// and then ends the process.
#define USE_C10D_GLOO 1
#include "nccl.h"
#include "shim.h"

#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

#include <c10/util/Logging.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/exception.h>
#include <torch/csrc/distributed/c10d/reducer.hpp>

using at::Tensor;
using quanci::guarded;
using quanci::list;
using quanci::RanksError;
using std::chrono::milliseconds;

namespace {

// Says on standard error what is below `level` no more. c10d tells there, with C++ stacks, of all that we report as
// errors; whoever sets TORCH_CPP_LOG_LEVEL wants to read it.
void silence_below(int level) {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = level;
}

class Silence {
 public:
  Silence() { silence_below(c10::GLOG_FATAL); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() { silence_below(c10::GLOG_ERROR); }  // NCCL's watchdog has its last words
};

using StorePtr = c10::intrusive_ptr<c10d::Store>;

std::string key(const char* what, int rank) { return std::string(what) + "/" + std::to_string(rank); }

std::string seconds(milliseconds time) {
  std::ostringstream text;
  text << static_cast<double>(time.count()) / 1000.0 << " s";
  return text.str();
}

// "rank 1", "ranks 1, 2 and 5"; of many, the first 16.
std::string name(const std::vector<int>& ranks) {
  std::ostringstream text;
  text << (ranks.size() == 1 ? "rank " : "ranks ");
  const size_t shown = std::min<size_t>(ranks.size(), 16);
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == ranks.size();
    text << (i == 0 ? "" : last ? " and " : ", ") << ranks[i];
  }
  if (shown < ranks.size()) text << " and " << ranks.size() - shown << " more";
  return text.str();
}

// The place where the ranks meet, and how long they wait for one another.
struct Meeting {
  StorePtr store;
  std::string address;
  int rank;
  int ranks;
  bool agent_store;
  milliseconds timeout;

  milliseconds beat() const { return std::clamp(timeout / 40, milliseconds(20), milliseconds(500)); }

  std::string holder() const {
    return agent_store ? "torchrun's store at " + address : "rank 0, whose store is at " + address + ",";
  }

  [[noreturn]] void holder_is_gone() const { throw RanksError(holder() + " is gone"); }
};

// Unchanged beats after which a rank is gone, and beats that the others have for ending by themselves. Beats are at most
// half a second apart. They are counted, not timed: a machine that was suspended has missed none.
constexpr int PATIENCE = 30;
constexpr int GRACE = 10;

// Counts up this rank's beats and watches the next rank, until it is destroyed or the store is gone.
class Heart {
 public:
  // `exit_code` is that of a process that ends because another rank is gone.
  Heart(const Meeting& meeting, int exit_code) : state_(std::make_shared<State>()) {
    ended_ = state_->ended.get_future();
    thread_ = std::thread(run, state_, Watch{meeting, meeting.store->clone(), exit_code});
  }

  // This rank has done its part: the others need not miss it, nor it them.
  void leave(const Meeting& meeting) {
    stop();
    try {
      meeting.store->set(key("left", meeting.rank), "");
    } catch (const std::exception&) {
      // The rank with the store has left already.
    }
  }

  // A store on a machine that has lost its power may keep the thread for ever: then it is left alone.
  ~Heart() {
    stop();
    const bool ended = ended_.wait_for(milliseconds(2000)) == std::future_status::ready;
    ended ? thread_.join() : thread_.detach();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable wake;
    bool stopped = false;
    std::promise<void> ended;
  };

  struct Watch {
    Meeting meeting;
    StorePtr store;
    int exit_code;
    int watched = meeting.rank;
    int64_t last = -1;
    int unchanged = PATIENCE;  // chooses whom to watch at the first beat
    std::string verdict;

    void beat() {
      store->add(key("beat", meeting.rank), 1);
      if (meeting.ranks == 1 || !verdict.empty()) return;
      if (store->check({"verdict"})) {
        verdict = store->get_to_str("verdict");
        return;
      }
      if (watched == meeting.rank) return watch_next();
      const int64_t count = store->add(key("beat", watched), 0);
      unchanged = count == last ? unchanged + 1 : 0;
      last = count;
      if (unchanged < PATIENCE) return;
      if (store->check({key("left", watched)})) return watch_next();
      verdict = name({watched}) + " of " + std::to_string(meeting.ranks) + " is gone";
      store->set("verdict", verdict);
    }

    // Around the ring, past those that have left; oneself where all have.
    void watch_next() {
      do {
        watched = (watched + 1) % meeting.ranks;
      } while (watched != meeting.rank && store->check({key("left", watched)}));
      last = -1;
      unchanged = 0;
    }
  };

  static void run(std::shared_ptr<State> state, Watch watch) {
    bool stopped = false;
    try {
      while (!(stopped = waits(*state, watch.meeting.beat())) && watch.verdict.empty()) watch.beat();
    } catch (const std::exception&) {
      watch.verdict = watch.meeting.holder() + " is gone";
    }
    if (!stopped && !waits(*state, watch.meeting.beat() * GRACE)) end_process(watch);
    state->ended.set_value();
  }

  // The rank's own thread hangs, or it would have ended: nothing else can be done for it.
  [[noreturn]] static void end_process(const Watch& watch) {
    std::fprintf(stderr, "error: %s, and this rank is blocked waiting for it: ending\n", watch.verdict.c_str());
    _exit(watch.exit_code);
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(state_->mutex);
      state_->stopped = true;
    }
    state_->wake.notify_all();
  }

  // True when the heart is to stop.
  static bool waits(State& state, milliseconds pause) {
    std::unique_lock<std::mutex> lock(state.mutex);
    return state.wake.wait_for(lock, pause, [&] { return state.stopped; });
  }

  std::shared_ptr<State> state_;
  std::future<void> ended_;
  std::thread thread_;
};

StorePtr open_store(const std::string& host, int port, const char* prefix, const Meeting& meeting) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.isServer = meeting.rank == 0 && !meeting.agent_store;
  options.waitWorkers = false;  // join() waits, and can say for whom
  options.timeout = meeting.timeout;
  try {
    return c10::make_intrusive<c10d::PrefixStore>(prefix, c10::make_intrusive<c10d::TCPStore>(host, options));
  } catch (const c10d::TimeoutError&) {
    throw RanksError(meeting.holder() + " did not answer within " + seconds(meeting.timeout));
  } catch (const c10::DistNetworkError& error) {
    if (options.isServer) throw;  // the port is taken: libtorch says it well
    throw RanksError(meeting.holder() + " cannot be reached: " + error.what_without_backtrace());
  }
}

std::vector<int> absent(const Meeting& meeting) {
  std::vector<int> missing;
  for (int rank = 0; rank < meeting.ranks; ++rank) {
    if (!meeting.store->check({key("here", rank)})) missing.push_back(rank);
  }
  return missing;
}

// Says "here" and waits until all have said it.
void join(const Meeting& meeting) {
  std::vector<std::string> all;
  for (int rank = 0; rank < meeting.ranks; ++rank) all.push_back(key("here", rank));
  try {
    if (meeting.store->add(all[meeting.rank], 1) > 1) {
      throw RanksError("rank " + std::to_string(meeting.rank) + " is there twice");
    }
    meeting.store->wait(all, meeting.timeout);
    return;
  } catch (const c10::DistError&) {
    // Too late, or the store is gone.
  }
  std::vector<int> missing;
  try {
    missing = absent(meeting);
  } catch (const c10::DistError&) {
    meeting.holder_is_gone();
  }
  if (missing.empty()) return;  // they came at the last moment
  throw RanksError(name(missing) + " of " + std::to_string(meeting.ranks) + " did not come within " +
                   seconds(meeting.timeout));
}

std::vector<int64_t> beats(c10d::Store& store, int ranks) {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < ranks; ++rank) counts.push_back(store.add(key("beat", rank), 0));
  return counts;
}

// Watches the beats, or reads what another rank has found out. Empty: all are alive.
std::string verdict(const Meeting& meeting, const StorePtr& store) {
  if (store->check({"verdict"})) return store->get_to_str("verdict");
  const auto before = beats(*store, meeting.ranks);
  std::this_thread::sleep_for(meeting.beat() * 6);
  const auto after = beats(*store, meeting.ranks);
  std::vector<int> still;
  for (int rank = 0; rank < meeting.ranks; ++rank) {
    if (rank != meeting.rank && before[rank] == after[rank]) still.push_back(rank);
  }
  if (store->check({"verdict"})) return store->get_to_str("verdict");
  if (still.empty()) return "";
  const std::string verb = still.size() == 1 ? " is gone" : " are gone";
  const std::string found = name(still) + " of " + std::to_string(meeting.ranks) + verb;
  store->set("verdict", found);
  // The one with the store stays a moment for those that come to read.
  if (meeting.rank == 0 && !meeting.agent_store) std::this_thread::sleep_for(meeting.beat() * 4);
  return found;
}

// verdict(), but never longer than a while: a machine that has lost its power answers nobody, and says nothing either.
std::string verdict_in_time(const Meeting& meeting, const StorePtr& store) {
  auto promise = std::make_shared<std::promise<std::string>>();
  auto future = promise->get_future();
  std::thread([promise, meeting, store] {
    try {
      promise->set_value(verdict(meeting, store));
    } catch (const std::exception&) {
      promise->set_value(meeting.holder() + " is gone");
    }
  }).detach();
  if (future.wait_for(meeting.beat() * 20 + milliseconds(2000)) == std::future_status::ready) return future.get();
  return meeting.holder() + " does not answer";
}

c10::intrusive_ptr<c10d::Backend> make_gloo(const Meeting& meeting, const char* interface, const char* hostname) {
  auto options = c10d::ProcessGroupGloo::Options::create(meeting.timeout);
  options->devices.push_back(interface  ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                             : hostname ? c10d::ProcessGroupGloo::createDeviceForHostname(hostname)
                                        : c10d::ProcessGroupGloo::createDefaultDevice());
  const StorePtr store = c10::make_intrusive<c10d::PrefixStore>("gloo", meeting.store);
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, meeting.rank, meeting.ranks, options);
}

c10::intrusive_ptr<c10d::Backend> make_nccl(const Meeting& meeting, void* factory, int cuda_index) {
  const StorePtr store = c10::make_intrusive<c10d::PrefixStore>("nccl", meeting.store);
  const auto create = reinterpret_cast<NcclFactory>(factory);
  return c10::intrusive_ptr<c10d::Backend>::reclaim(
      create(store.get(), meeting.rank, meeting.ranks, meeting.timeout.count(), cuda_index));
}

constexpr size_t BROADCAST_BUFFER = 250 * 1024 * 1024;  // as torch.nn.parallel.DistributedDataParallel

}  // namespace

// Tensors on the CPU go through Gloo always, those on CUDA through NCCL where it was asked for.
struct QuanciRanks {
  Meeting meeting;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  c10::intrusive_ptr<c10d::Backend> cpu;
  std::unique_ptr<Heart> heart;
  StorePtr witness;  // a connection of its own: a new one to a rank that is gone would be tried for long
};

struct QuanciReducer {
  std::unique_ptr<c10d::Reducer> reducer;
};

namespace {

void broadcast(const QuanciRanks& ranks, const std::vector<Tensor>& tensors, int root) {
  at::NoGradGuard no_grad;
  std::vector<Tensor> detached;
  for (const Tensor& tensor : tensors) detached.push_back(tensor.detach());
  c10d::broadcast_coalesced(ranks.group, detached, BROADCAST_BUFFER, root);
}

}  // namespace

extern "C" {

// `nccl_factory` is quanci_nccl_create of libquanci_nccl.so, or null for Gloo alone; `cuda_index` is below 0 for the CPU alone.
QuanciRanks* quanci_ranks_connect(const char* host, int port, int rank, int ranks, int64_t timeout_ms, int agent_store,
                                  const char* prefix, const char* interface, const char* hostname, void* nccl_factory,
                                  int cuda_index, int exit_code) {
  return guarded(static_cast<QuanciRanks*>(nullptr), [&] {
    const Silence silence;
    const std::string address = std::string(host) + ":" + std::to_string(port);
    Meeting meeting{nullptr, address, rank, ranks, agent_store != 0, milliseconds(timeout_ms)};
    meeting.store = open_store(host, port, prefix, meeting);
    join(meeting);
    auto heart = std::make_unique<Heart>(meeting, exit_code);
    auto group = c10::make_intrusive<c10d::ProcessGroup>(meeting.store, rank, ranks);
    c10::intrusive_ptr<c10d::Backend> cpu = make_gloo(meeting, interface, hostname);
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO, cpu);
    if (nccl_factory) {
      group->setDefaultBackend(c10d::ProcessGroup::BackendType::NCCL);
      group->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::NCCL, make_nccl(meeting, nccl_factory, cuda_index));
      group->setBoundDeviceId(quanci::device_of(cuda_index));
    } else if (cuda_index >= 0) {
      group->setBackend(at::kCUDA, c10d::ProcessGroup::BackendType::GLOO, cpu);
    }
    group->setGroupName(prefix);
    auto witness = meeting.store->clone();
    return new QuanciRanks{std::move(meeting), std::move(group), std::move(cpu), std::move(heart),
                           std::move(witness)};
  });
}

void quanci_ranks_free(QuanciRanks* ranks) {
  guarded(0, [&] {
    delete ranks;
    return 0;
  });
}

// This rank has done its part and may end before the others.
int quanci_ranks_leave(QuanciRanks* ranks) {
  return guarded(-1, [&] {
    ranks->heart->leave(ranks->meeting);
    return 0;
  });
}

// Collective operations on the CPU that were begun so far, the reducer's buckets included.
int64_t quanci_ranks_operations(const QuanciRanks* ranks) {
  return guarded(int64_t{-1}, [&] { return static_cast<int64_t>(ranks->cpu->getSequenceNumberForGroup()); });
}

// Why an operation failed: -1 and a message if ranks are gone, 0 if all are alive. Takes a few beats.
int quanci_ranks_diagnose(const QuanciRanks* ranks) {
  return guarded(-1, [&] {
    const std::string found = verdict_in_time(ranks->meeting, ranks->witness);
    if (!found.empty()) throw RanksError(found);
    return 0;
  });
}

// Sums each tensor over the ranks, in place. One operation a tensor: Gloo takes a list for one tensor on many devices.
int quanci_ranks_sum(QuanciRanks* ranks, Tensor* const* tensors, int64_t count) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    std::vector<c10::intrusive_ptr<c10d::Work>> works;
    for (const Tensor& tensor : list(tensors, count)) {
      TORCH_CHECK(tensor.is_contiguous(), "a tensor is to be summed in place, and is not contiguous");
      std::vector<Tensor> one{tensor};
      works.push_back(ranks->group->allreduce(one));
    }
    for (const auto& work : works) work->wait();
    return 0;
  });
}

int quanci_ranks_broadcast(QuanciRanks* ranks, Tensor* const* tensors, int64_t count, int root) {
  return guarded(-1, [&] {
    broadcast(*ranks, list(tensors, count), root);
    return 0;
  });
}

int quanci_ranks_barrier(QuanciRanks* ranks) {
  return guarded(-1, [&] {
    ranks->cpu->barrier()->wait();
    return 0;
  });
}

// The ranks' tensors, of the same shape, one below the other: [ranks, ...shape].
Tensor* quanci_ranks_all_gather(QuanciRanks* ranks, const Tensor* tensor) {
  return guarded(static_cast<Tensor*>(nullptr), [&] {
    at::NoGradGuard no_grad;
    std::vector<Tensor> mine{tensor->contiguous()};
    std::vector<std::vector<Tensor>> all(1);
    for (int rank = 0; rank < ranks->meeting.ranks; ++rank) all[0].push_back(at::empty_like(mine[0]));
    ranks->group->allgather(all, mine)->wait();
    return new Tensor(at::stack(all[0]));
  });
}

// As torch.nn.parallel.DistributedDataParallel sets it up: all ranks have the same shapes, rank 0's values go to all,
// and buckets are filled from the last parameter to the first, which is about the order in which gradients come.
QuanciReducer* quanci_reducer_new(QuanciRanks* ranks, Tensor* const* parameters, const char* const* names,
                                  int64_t count, int64_t bucket_bytes) {
  return guarded(static_cast<QuanciReducer*>(nullptr), [&] {
    const auto tensors = list(parameters, count);
    const std::vector<bool> sparse(count, false);
    std::unordered_map<size_t, std::string> named;
    for (int64_t i = 0; i < count; ++i) named[i] = names[i];
    c10d::verify_params_across_processes(ranks->group, tensors, std::nullopt);
    broadcast(*ranks, tensors, 0);
    const int64_t first_bytes = std::min<int64_t>(c10d::kDefaultFirstBucketBytes, bucket_bytes);
    auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
        tensors, {static_cast<size_t>(first_bytes), static_cast<size_t>(bucket_bytes)}, sparse);
    std::reverse(buckets.begin(), buckets.end());
    auto reducer = std::make_unique<c10d::Reducer>(
        tensors, buckets, ranks->group, sparse, bucket_bytes, /*find_unused_parameters=*/false,
        /*gradient_as_bucket_view=*/true, named, first_bytes, /*skip_all_reduce_unused_params=*/false,
        /*use_python_reducer=*/false, /*bucket_bytes_cap_list=*/std::vector<int64_t>{});
    return new QuanciReducer{std::move(reducer)};
  });
}

void quanci_reducer_free(QuanciReducer* reducer) {
  guarded(0, [&] {
    delete reducer;
    return 0;
  });
}

int quanci_reducer_prepare_forward(QuanciReducer* reducer, int sync) {
  return guarded(-1, [&] {
    if (sync) reducer->reducer->prepare_for_forward();
    return reducer->reducer->rebuild_buckets() ? 1 : 0;
  });
}

int quanci_reducer_prepare_backward(QuanciReducer* reducer) {
  return guarded(-1, [&] {
    reducer->reducer->prepare_for_backward({});
    return 0;
  });
}

}  // extern "C"
