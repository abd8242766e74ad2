// The chain of one thread: values, the steps that make them, and how they are run.
#include "capture/fusion.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "base/unlock.h"
#include "kernels/cpu/scratch.h"
#include "ops/elementwise.h"
#include "ops/record.h"
#include "tensor/iterator.h"
#include "tensor/modes.h"

namespace fl {
namespace {

constexpr int64_t kLeast = 4096;  // elements: shorter tensors stay in the cache anyway
constexpr size_t kMost = 64;      // steps
constexpr int64_t kBlockBytes = 4096;

class Chain final : public Promise {
 public:
  bool add(Call& c, cpu::Loop loop, DType loop_out, DType out, const Value* inputs, const DType* loop_in, int n, const void* params, size_t params_size, double ns);
  void keep() override;
  void drop(uint32_t id) override { values_[id].result = nullptr; }
  bool empty() const { return steps_.empty(); }

 private:
  // What a step reads or makes: memory that exists, one number for all elements, or the result of a step.
  struct ChainValue {
    DType dtype;
    char* data = nullptr;        // memory to read or, while the chain runs, to write
    int slot = -1;               // else: which block of the scratch memory
    bool number = false;
    ScalarBits bits;             // the number
    Ref<Storage> source;         // keeps the memory
    Storage* result = nullptr;   // the storage that waits for the result of a step; null: nobody holds it
    int spread = -1;             // made by a step that writes out this one of spreads_
    int last_use = -1;
  };
  struct Step {
    cpu::Loop loop;
    int n, inputs[3], out;
    double ns;
    alignas(16) char params[64];
    bool has_params;
    int spread;  // >= 0: the step writes out a block of spreads_[spread]
  };
  // A smaller tensor that is broadcast to the chain's shape.
  struct Spread {
    Ref<Storage> source;
    const char* data;
    Dims sizes, strides;  // of the chain's shape, strides in bytes
    Spread(const TensorImpl& t, const Dims& shape);
    int64_t run() const { return sizes[sizes.size() - 1]; }  // elements that a stride reaches
    // Elements [begin, begin + n): where they lie, if one stride reaches them, else written to `to`.
    char* find(cpu::Loop copy, char* to, int64_t& item, int64_t begin, int64_t n) const;
  };

  bool operand(const Value& v, DType dtype, const TensorImpl& like, int& id);
  int result_of(DType dtype) {
    values_.emplace_back().dtype = dtype;
    return int(values_.size()) - 1;
  }
  int push(cpu::Loop loop, const int* inputs, int n, DType out, double ns);
  int converted(int id, DType to);
  void run();
  void run_block(char* scratch, int64_t begin, int64_t n) const;

  int64_t numel_ = 0;
  std::vector<ChainValue> values_;
  std::vector<Step> steps_;
  std::vector<Spread> spreads_;
};

thread_local Chain t_chain;
thread_local int t_depth = 0;

int Chain::push(cpu::Loop loop, const int* inputs, int n, DType out, double ns) {
  Step& s = steps_.emplace_back();
  s.loop = loop;
  s.n = n;
  std::copy(inputs, inputs + n, s.inputs);
  s.ns = ns;
  s.has_params = false;
  s.spread = -1;
  s.out = result_of(out);
  return s.out;
}

int Chain::converted(int id, DType to) {
  return values_[id].dtype == to ? id : push(cpu::pointwise_kernels().cast[int(values_[id].dtype)][int(to)], &id, 1, to, 0.15);
}

// The value for one operand, read as `dtype`. False if it can't be read in the order of `like`.
bool Chain::operand(const Value& v, DType dtype, const TensorImpl& like, int& id) {
  if (!v.is_tensor() || v.t->sizes.size() == 0) {
    ScalarBits bits = scalar_bits(v.is_tensor() ? item_value(*v.t) : v, dtype);
    ChainValue& number = values_.emplace_back();
    number.dtype = dtype;
    number.number = true;
    number.bits = bits;
    id = int(values_.size()) - 1;
    return true;
  }
  const TensorImpl& t = *v.t;
  Storage* s = t.storage;
  const bool whole = t.sizes == like.sizes && t.strides == like.strides;
  if (s->promise) {
    if (!whole || s->promise != this || t.offset != 0 || values_[s->promise_id].dtype != t.dtype) return false;
    id = int(s->promise_id);
  } else if (whole) {
    ChainValue& memory = values_.emplace_back();
    memory.dtype = t.dtype;
    memory.data = t.bytes();
    memory.source = Ref<Storage>::borrow(s);
    id = int(values_.size()) - 1;
  } else {
    const int nd = like.sizes.size(), lead = nd - t.sizes.size();
    if (!like.plain || lead < 0) return false;
    for (int d = 0; d < t.sizes.size(); ++d)
      if (t.sizes[d] != 1 && t.sizes[d] != like.sizes[lead + d]) return false;
    Spread spread(t, like.sizes);
    id = push(cpu::pointwise_kernels().cast[int(t.dtype)][int(t.dtype)], nullptr, 0, t.dtype, 0.1);
    steps_.back().spread = values_[id].spread = int(spreads_.size());
    spreads_.push_back(std::move(spread));
  }
  id = converted(id, dtype);
  return true;
}

Chain::Spread::Spread(const TensorImpl& t, const Dims& shape) : source(Ref<Storage>::borrow(t.storage)), data(t.bytes()) {
  const int lead = shape.size() - t.sizes.size();
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    const bool repeats = d < lead || t.sizes[d - lead] == 1;
    const int64_t stride = repeats ? 0 : t.strides[d - lead] * int64_t(item_size(t.dtype));
    const int outer = sizes.size() - 1;
    if (outer >= 0 && strides[outer] == stride * shape[d]) {  // one run with the dimension around it
      sizes[outer] *= shape[d];
      strides[outer] = stride;
    } else {
      sizes.push(shape[d]);
      strides.push(stride);
    }
  }
}

char* Chain::Spread::find(cpu::Loop copy, char* to, int64_t& item, int64_t begin, int64_t n) const {
  const int last = sizes.size() - 1;
  Dims at(sizes.size());
  const char* from = data;
  for (int d = last; d >= 0; --d) {
    at[d] = begin % sizes[d];
    begin /= sizes[d];
    from += at[d] * strides[d];
  }
  const int64_t steps[2] = {item, strides[last]};
  if (n <= sizes[last] - at[last]) {
    item = strides[last];
    return const_cast<char*>(from);
  }
  char* const block = to;
  for (;;) {
    const int64_t run = std::min(n, sizes[last] - at[last]);
    char* ptrs[2] = {to, const_cast<char*>(from)};
    copy(run, ptrs, steps, nullptr);
    if ((n -= run) == 0) return block;
    to += run * item;
    from -= at[last] * strides[last];
    at[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      from += strides[d];
      if (++at[d] < sizes[d]) break;
      from -= sizes[d] * strides[d];
      at[d] = 0;
    }
  }
}

bool Chain::add(Call& c, cpu::Loop loop, DType loop_out, DType out, const Value* inputs, const DType* loop_in, int n, const void* params, size_t params_size, double ns) {
  const TensorImpl* like = nullptr;  // the operand of the result's shape
  for (int k = 0; k < n; ++k)
    if (inputs[k].is_tensor() && (!like || inputs[k].t->numel > like->numel)) like = inputs[k].t;
  // Integers are left alone: their division looks for zeros when it is done.
  for (int k = 0; k < n; ++k)
    if (!is_floating(loop_in[k]) && loop_in[k] != DType::Bool) return false;
  if (!like || like->numel < kLeast || !is_dense(like->sizes, like->strides) || params_size > sizeof(Step::params) || !loop) return false;
  // A number out of a result that is still owed: looking at it runs the chain, so that has to happen before this call is noted.
  for (int k = 0; k < n; ++k)
    if (inputs[k].is_tensor() && inputs[k].t->sizes.size() == 0) inputs[k].t->bytes();
  const int64_t numel = like->numel;
  if (!steps_.empty() && (numel != numel_ || steps_.size() + 8 > kMost)) keep();
  numel_ = numel;
  const size_t steps_before = steps_.size(), values_before = values_.size(), spreads_before = spreads_.size();
  int ids[3];
  for (int k = 0; k < n; ++k)
    if (!operand(inputs[k], loop_in[k], *like, ids[k])) {
      steps_.resize(steps_before);
      values_.resize(values_before);
      spreads_.erase(spreads_.begin() + int64_t(spreads_before), spreads_.end());
      return false;
    }
  int id = push(loop, ids, n, loop_out, ns);
  Step& s = steps_.back();
  s.has_params = params != nullptr;
  if (params) std::memcpy(s.params, params, params_size);
  id = converted(id, out);
  Storage* storage = Storage::promised(size_t(numel) * item_size(out), this, uint32_t(id));
  values_[id].result = storage;
  Dims strides;
  if (!result_strides(like->sizes, inputs, n, strides)) strides = contiguous_strides(like->sizes);
  c.ret(from_storage(storage, like->sizes, strides, 0, out));
  return true;
}

// Runs the chain: every storage that waits gets its bytes, and the chain is empty.
void Chain::keep() {
  for (int i = 0; i < int(steps_.size()); ++i) {
    Step& s = steps_[i];
    values_[s.out].last_use = values_[s.out].result ? int(steps_.size()) : -1;
  }
  // Last use first: a step that nobody uses uses nothing.
  for (int i = int(steps_.size()) - 1; i >= 0; --i) {
    Step& s = steps_[i];
    if (values_[s.out].last_use < 0) continue;
    for (int k = 0; k < s.n; ++k) values_[s.inputs[k]].last_use = std::max(values_[s.inputs[k]].last_use, i);
  }
  std::vector<std::pair<ChainValue*, void*>> fresh;
  try {
    fresh.reserve(values_.size());
    for (ChainValue& v : values_)
      if (v.result) {
        fresh.emplace_back(&v, allocate(v.result->nbytes));
        v.data = static_cast<char*>(fresh.back().second);
      }
    if (!fresh.empty()) run();
  } catch (...) {  // out of memory or interrupted: everything is still owed, and is computed when it is asked for again
    for (auto& [value, data] : fresh) {
      deallocate(data, value->result->nbytes);
      value->data = nullptr;
    }
    throw;
  }
  for (auto& [value, data] : fresh) value->result->deliver(data);
  values_.clear();  // drops what was read
  spreads_.clear();
  steps_.clear();
}

void Chain::run() {
  // Blocks of scratch memory for what is not written; one is free again after the step that reads it last.
  std::vector<int> free_slots;
  int slots = 0;
  size_t item = 1;
  double ns = 0;
  steps_.erase(std::remove_if(steps_.begin(), steps_.end(), [&](const Step& s) {
                 return values_[s.out].last_use < 0;
               }),
               steps_.end());
  // Numbering changed with the steps that went: uses are counted again.
  for (ChainValue& v : values_) v.last_use = v.slot = -1;
  for (int i = 0; i < int(steps_.size()); ++i)
    for (int k = 0; k < steps_[i].n; ++k) values_[steps_[i].inputs[k]].last_use = i;
  for (int i = 0; i < int(steps_.size()); ++i) {
    Step& s = steps_[i];
    ns += s.ns;
    ChainValue& out = values_[s.out];
    item = std::max(item, size_t(item_size(out.dtype)));
    // A loop may write where it reads if the elements have one size.
    auto release = [&](bool same_size) {
      for (int k = 0; k < s.n; ++k) {
        const ChainValue& in = values_[s.inputs[k]];
        const bool twice = k > 0 && std::find(s.inputs, s.inputs + k, s.inputs[k]) != s.inputs + k;
        if (in.slot >= 0 && in.last_use == i && !twice && (item_size(in.dtype) == item_size(out.dtype)) == same_size) free_slots.push_back(in.slot);
      }
    };
    release(true);
    for (int k = 0; k < s.n; ++k) item = std::max(item, size_t(item_size(values_[s.inputs[k]].dtype)));
    if (!out.data) {
      if (free_slots.empty()) free_slots.push_back(slots++);
      out.slot = free_slots.back();
      free_slots.pop_back();
    }
    release(false);
  }
  // Blocks end where the lines of a broadcast operand end, unless those are short.
  int64_t block = kBlockBytes / int64_t(item), line = numel_;
  if (!spreads_.empty() && spreads_[0].run() >= block / 4) line = spreads_[0].run();
  const int64_t per_line = (line + block - 1) / block, blocks = numel_ / line * per_line;
  block = (line + per_line - 1) / per_line;
  Unlock unlock(ns * double(numel_));
  parallel_for(blocks, ns * double(block) * 0.7, [&](int64_t begin, int64_t end) {
    char* scratch = static_cast<char*>(cpu::scratch(cpu::Scratch::Convert, size_t(slots) * kBlockBytes));
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b % per_line * block;
      if (first < line) run_block(scratch, b / per_line * line + first, std::min(block, line - first));
    }
  });
}

void Chain::run_block(char* scratch, int64_t begin, int64_t n) const {
  char* spread_at[kMost];
  int64_t spread_step[kMost];
  for (const Step& s : steps_) {
    char* ptrs[4];
    int64_t strides[4];
    for (int k = 0; k <= s.n; ++k) {
      const ChainValue& v = values_[k ? s.inputs[k - 1] : s.out];
      const int64_t item = int64_t(item_size(v.dtype));
      ptrs[k] = v.number ? const_cast<char*>(v.bits.bytes) : v.data ? v.data + begin * item
                                                                    : scratch + v.slot * kBlockBytes;
      strides[k] = v.number ? 0 : item;
      if (k && v.spread >= 0) ptrs[k] = spread_at[v.spread], strides[k] = spread_step[v.spread];
    }
    if (s.spread >= 0) {
      spread_step[s.spread] = strides[0];
      spread_at[s.spread] = spreads_[size_t(s.spread)].find(s.loop, ptrs[0], spread_step[s.spread], begin, n);
    } else {
      s.loop(n, ptrs, strides, s.has_params ? s.params : nullptr);
    }
  }
}

// ------------------------------------------------------------------------------------------------ what the operators ask

bool note(Call& c, cpu::Loop loop, DType loop_out, DType out, const Value* inputs, const DType* loop_in, int n, const void* params, size_t params_size, double ns) {
  return t_chain.add(c, loop, loop_out, out, inputs, loop_in, n, params, params_size, ns);
}

void settle_chain() {
  if (!t_chain.empty()) t_chain.keep();
}

}  // namespace

void install_fusion() {
  note_elementwise = note;
  settle = settle_chain;
}

bool fusing() { return t_depth > 0; }

void begin_fusion() {
  ++t_depth;
  thread_state().doors |= kDoorCapture;
}

void end_fusion() {
  if (--t_depth > 0) return;
  thread_state().doors &= uint8_t(~kDoorCapture);
  settle();
}

}  // namespace fl
