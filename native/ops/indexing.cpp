// Advanced indexing: reading and writing at positions given by index tensors and masks.
#include "kernels/cpu/index.h"

#include "base/unlock.h"
#include "ops/dim_index.h"
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

struct Plan {
  Tensor self;                    // a window on self with the indexed dimensions removed
  std::vector<Tensor> indices;    // int64, broadcast together
  std::vector<int64_t> bound, step;
  Dims shape;                     // of the result
  Dims self_strides;              // bytes, per result dimension
  int begin = 0, end = 0;         // the index dimensions within the result
  std::vector<const int64_t*> pointers;  // filled in when a kernel asks
  std::vector<Dims> strides;
  std::vector<const int64_t*> stride_pointers;

  cpu::AdvancedIndex descriptor(const int64_t* other_strides) {
    pointers.clear();
    for (const Tensor& ix : indices) pointers.push_back(ix.data<int64_t>());
    cpu::AdvancedIndex d;
    d.ndim = shape.size();
    d.sizes = shape.data();
    d.self_strides = self_strides.data();
    d.other_strides = other_strides;
    d.index_begin = begin;
    d.index_end = end;
    d.count = int(indices.size());
    d.index = pointers.data();
    d.index_strides = stride_pointers.data();
    d.bound = bound.data();
    d.step = step.data();
    return d;
  }
};

Tensor mask_positions(const Tensor& mask) {  // n x dim
  Dims strides(mask.strides());
  int64_t n = cpu::count_nonzero(mask.dtype(), mask.dim(), mask.sizes().data, mask.bytes(), strides.data());
  Tensor out = empty(IntView{mask.dim(), n}, DType::Int64);
  cpu::nonzero(mask.dtype(), mask.dim(), mask.sizes().data, mask.bytes(), strides.data(), out.data<int64_t>(), 8, n * 8, n);
  return out;
}

Plan make_plan(const Tensor& self, const Value& list) {
  Plan p;
  std::vector<Tensor> at(size_t(std::max(self.dim(), 1)) + 64);
  int d = 0;
  for (int k = 0; k < list.n; ++k) {
    Tensor ix = Tensor::borrow(list.ts[k]);
    if (!ix.defined()) {
      ++d;
      continue;
    }
    DType t = ix.dtype();
    FL_CHECK_KIND(Index, t == DType::Int64 || t == DType::Int32 || t == DType::Bool || t == DType::UInt8,
                  "tensors used as indices must be long, int, byte or bool tensors");
    if (t == DType::Bool || t == DType::UInt8) {
      for (int j = 0; j < ix.dim(); ++j)
        if (d + j >= self.dim() || ix.size(j) != self.size(d + j))
          fail(ErrorKind::Index, "The shape of the mask ", ix.sizes(), " at index ", j, " does not match the shape of the indexed tensor ", self.sizes(), " at index ", d + j);
      Tensor where_true = mask_positions(ix);
      for (int j = 0; j < ix.dim(); ++j) at[size_t(d++)] = make_view(where_true, IntView{where_true.size(1)}, IntView{1}, j * where_true.size(1));
    } else {
      at[size_t(d++)] = cast_of(ix, DType::Int64);
    }
  }
  FL_CHECK_KIND(Index, d <= self.dim(), "too many indices for tensor of dimension ", self.dim());
  at.resize(size_t(self.dim()));
  Dims common;
  bool first = true, gap = false;
  int last = -2, first_dim = -1;
  for (int k = 0; k < self.dim(); ++k) {
    if (!at[size_t(k)].defined()) continue;
    IntView s = at[size_t(k)].sizes();
    if (first) common = Dims(s);
    else {
      for (int j = 1; j <= std::min(common.size(), s.n); ++j) {
        int64_t a = common[common.size() - j], b = s[s.n - j];
        if (a != b && a != 1 && b != 1) {
          std::ostringstream text;
          text << "shape mismatch: indexing tensors could not be broadcast together with shapes ";
          bool sep = false;
          for (auto& t : at)
            if (t.defined()) {
              text << (sep ? ", " : "") << t.sizes();
              sep = true;
            }
          fail(ErrorKind::Index, text.str());
        }
      }
      common = broadcast_shapes(common, s);
    }
    if (!first && last != k - 1) gap = true;
    if (first) first_dim = k;
    first = false;
    last = k;
  }
  p.self = self;
  int64_t item = int64_t(item_size(self.dtype()));
  p.begin = gap ? 0 : std::max(first_dim, 0);
  p.end = p.begin + common.size();
  auto kept = [&](int k) {
    p.shape.push(self.size(k));
    p.self_strides.push(self.stride(k) * item);
  };
  p.shape = Dims(0);
  p.self_strides = Dims(0);
  if (!gap)
    for (int k = 0; k < p.begin; ++k) kept(k);
  for (int64_t s : common) {
    p.shape.push(s);
    p.self_strides.push(0);
  }
  for (int k = gap ? 0 : p.begin; k < self.dim(); ++k)
    if (!at[size_t(k)].defined()) kept(k);
  for (int k = 0; k < self.dim(); ++k) {
    Tensor ix = at[size_t(k)];
    if (!ix.defined()) continue;
    Dims st(common.size());
    int lead = common.size() - ix.dim();
    for (int j = 0; j < common.size(); ++j) st[j] = j < lead || ix.size(j - lead) == 1 ? 0 : ix.stride(j - lead) * 8;
    p.strides.push_back(st);
    p.indices.push_back(ix);
    p.bound.push_back(self.size(k));
    p.step.push_back(self.stride(k) * item);
  }
  for (auto& s : p.strides) p.stride_pointers.push_back(s.data());
  return p;
}

void raise_bad(const Plan& p, const Tensor& self, const cpu::BadIndex& bad) {
  if (!bad) return;
  int dim = 0, seen = -1;
  for (int k = 0; k < self.dim(); ++k)  // which dimension the operand indexes
    if (seen + 1 <= bad.operand && self.stride(k) * int64_t(item_size(self.dtype())) == p.step[size_t(bad.operand)] && self.size(k) == p.bound[size_t(bad.operand)]) {
      dim = k;
      break;
    }
  fail(ErrorKind::Index, "index ", bad.value, " is out of bounds for dimension ", dim, " with size ", p.bound[size_t(bad.operand)]);
}

Dims broadcast_strides(const Tensor& values, IntView shape) {
  Dims st(shape.n);
  int lead = shape.n - values.dim();
  for (int k = 0; k < shape.n; ++k) st[k] = k < lead || values.size(k - lead) == 1 ? 0 : values.stride(k - lead) * int64_t(item_size(values.dtype()));
  return st;
}

void put_values(const Tensor& self, const Value& list, const Tensor& given, bool accumulate) {
  Plan p = make_plan(self, list);
  FL_CHECK(given.dtype() == self.dtype(), "Index put requires the source and destination dtypes match, got ", scalar_type_name(self.dtype()), " for the destination and ",
           scalar_type_name(given.dtype()), " for the source.");
  Tensor values = given;
  while (values.dim() > p.shape.size() && values.size(0) == 1) values = select(values, 0, 0);
  bool fits = values.dim() <= p.shape.size();
  for (int k = 1; fits && k <= values.dim(); ++k) fits = values.size(-k) == 1 || values.size(-k) == p.shape[p.shape.size() - k];
  FL_CHECK_KIND(Runtime, fits, "shape mismatch: value tensor of shape ", given.sizes(), " cannot be broadcast to indexing result of shape ", p.shape);
  values = values.numel() == 1 && may_overlap(*self.get(), *values.get()) ? copy_of(values) : apart(self, values);
  for (const Tensor& index : p.indices) check_apart(self, index);
  Dims st = broadcast_strides(values, p.shape);
  auto d = p.descriptor(st.data());
  cpu::BadIndex bad;
  {
    Unlock unlock(double(values.numel()) * 2);
    bad = accumulate ? cpu::index_put_accumulate(self.dtype(), d, self.bytes(), values.bytes())
                     : cpu::index_put(int64_t(item_size(self.dtype())), d, self.bytes(), values.bytes());
  }
  raise_bad(p, self, bad);
}

}  // namespace

Record index{{.schema = {"index.Tensor(Tensor self, Tensor?[] indices) -> Tensor"},
              .forward = [](Call& c) {
                const Tensor& x = c.tensor(0);
                Plan p = make_plan(x, c.arg(1));
                const Tensor& out = c.result(p.shape, x.dtype());
                Dims st(out.dim());
                for (int k = 0; k < out.dim(); ++k) st[k] = out.stride(k) * int64_t(item_size(x.dtype()));
                cpu::BadIndex bad;
                {
                  Unlock unlock(double(out.numel()) * 2);
                  bad = cpu::index_get(int64_t(item_size(x.dtype())), p.descriptor(st.data()), x.bytes(), out.bytes());
                }
                raise_bad(p, x, bad);
              },
              .gradient = [](Grad& G) {
                auto indices = G.in_list(1);
                G.set(0, index_put(zeros_like_sizes(G.sizes(0), G.grad().dtype()), indices, G.grad(), true));
              },
              .save = save_in(1),
              .flags = kPrivate | kMixesDevices,
              .doc = "self[indices] with index tensors or masks."}};
static void index_put_gradient(Grad& G) {
  auto indices = G.in_list(1);
  const Tensor& g = G.grad();
  bool accumulate = G.arg(3).b;
  if (G.needs(0)) G.set(0, accumulate ? g : index_put(g, indices, zeros_like_sizes(IntView(), g.dtype()), false));
  if (G.needs(2)) G.set(2, sum_to_values(index(g, indices), G.sizes(2)));
}
Tensor sum_to_values(Tensor g, IntView sizes) {  // values may have extra leading dimensions of size 1
  while (g.dim() < sizes.n) g = unsqueeze(g, 0);
  return sum_to(g, sizes);
}
Record index_put{{.schema = {"index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor"},
                  .forward = [](Call& c) {
                    if (c.mode == Mode::Inplace && c.preset[0] == c.arg(0).t) {
                      c.ret(c.tensor(0));
                      return put_values(c.tensor(0), c.arg(1), c.tensor(2), c.flag(3));
                    }
                    Tensor out = copy_of(c.tensor(0));
                    c.ret(out);
                    put_values(out, c.arg(1), c.tensor(2), c.flag(3));
                  },
                  .gradient = index_put_gradient,
                  .save = save_in(1),
                  .flags = kBoth | kInplace | kMixesDevices,
                  .doc = "Writes (or adds) values at indices."}};

static Tensor nonzero_of(const Tensor& x) {
  Dims st(x.dim());
  for (int k = 0; k < x.dim(); ++k) st[k] = x.stride(k) * int64_t(item_size(x.dtype()));
  int64_t n = cpu::count_nonzero(x.dtype(), x.dim(), x.sizes().data, x.bytes(), st.data());
  // Columns lie together, as PyTorch lays them out: the result is the transpose of a contiguous tensor.
  Tensor out = empty_strided(IntView{n, x.dim()}, IntView{1, std::max<int64_t>(n, 1)}, DType::Int64);
  if (n && x.dim()) cpu::nonzero(x.dtype(), x.dim(), x.sizes().data, x.bytes(), st.data(), out.data<int64_t>(), 8, n * 8, n);
  return out;
}
Record nonzero{{.schema = {"nonzero(Tensor self) -> Tensor"},
                .forward = [](Call& c) {
                  if (c.mode == Mode::Out && c.preset[0])
                    FL_CHECK(c.preset[0]->dtype == DType::Int64, "nonzero: Expected out tensor to have scalar type Long but got scalar type", scalar_type_name(c.preset[0]->dtype));
                  c.ret(nonzero_of(c.tensor(0)));
                },
                .flags = kPrivate | kNoGrad | kOut,
                .doc = "The coordinates of the elements that are not zero, one a row."}};

}  // namespace fl::ops
