// The meta device: tensors with shape, type, strides and offset, and no data. An operator runs there as on the host until it asks for its
// tensors' memory, and by then it has said what its results look like.
#include <algorithm>

#include "autograd/node.h"
#include "memory/backend.h"
#include "ops/record.h"
#include "ops/schema.h"

namespace fl {

namespace {

bool complete(const Call& c) {
  const auto& schemas = c.op.parsed();
  if (c.has_value || c.is_list) return true;
  return size_t(c.nresults) == schemas[std::min(size_t(c.overload), schemas.size() - 1)]->returns.size();
}

void run(Call& c) {
  try {
    c.op.forward(c);
    return;
  } catch (const NoHostData&) {
    if (complete(c)) return;
  }
  fail(ErrorKind::NotImplemented, "aten::", c.op.name, ": attempted to run this operator with Meta tensors, but there was no fake impl or Meta kernel registered: ",
       "its result depends on values, which they don't have");
}

// A gradient has the shape of what it belongs to.
void gradient(Grad& g) {
  const OpNode& n = g.node;
  try {
    n.op->gradient(g);
    return;
  } catch (const NoHostData&) {
  }
  for (int k = 0; k < n.nargs; ++k) {
    if (n.edge_at[k] < 0) continue;
    int items = n.args[k].tag == Value::TensorsTag ? n.args[k].n : 1;
    for (int i = 0; i < items; ++i)
      if (g.needs(k, i) && !g.out[n.edge_at[k] + i].defined()) g.set(k, i, empty(g.sizes(k, i), g.dtype(k, i)));
  }
}

Storage* make(size_t nbytes) { return Storage::away(nbytes, {DeviceType::Meta}); }
void resize(Storage& s, size_t nbytes) { s.nbytes = nbytes; }
void copy(const Tensor& to, const Tensor& from) {
  if (to.device().type != DeviceType::Meta) fail(ErrorKind::NotImplemented, NoHostData(from.device()).what());
}
void fill(const Tensor&, const Value&) {}
void add(const Tensor&, const Tensor&) {}

const Backend meta{make, resize, run, gradient, copy, fill, add, false};
[[maybe_unused]] const bool entered = (backends[int(DeviceType::Meta)] = &meta);

}  // namespace

}  // namespace fl
