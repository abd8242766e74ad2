// Distinct values, searches in sorted sequences, histograms and counts.
#include "kernels/cpu/sort.h"

#include "ops/reduction.h"

namespace fl::ops {

namespace {

// ------------------------------------------------------------------------------------------------ distinct values

struct Distinct {
  Tensor values, inverse, counts;
};
Tensor shortened(const Tensor& t, int64_t n) { return copy_of(make_view(t, IntView{n}, IntView{1}, t->offset)); }

Distinct distinct_of(const Tensor& given, bool inverse, bool counts, bool consecutive) {
  if (is_complex(given.dtype())) fail(ErrorKind::NotImplemented, "\"unique\" not implemented for '", scalar_type_name(given.dtype()), "'");
  Tensor x = contiguous_of(given);
  const int64_t n = x.numel();
  Distinct r;
  Tensor values = empty(IntView{n}, x.dtype()), count = empty(IntView{counts ? n : 0}, DType::Int64);
  r.inverse = empty(inverse ? x.sizes() : IntView{0}, DType::Int64);
  int64_t found = 0;
  if (n) {
    Unlock unlock(double(n) * 20);
    auto run = consecutive ? cpu::unique_consecutive : cpu::unique;
    found = run(x.dtype(), x.bytes(), n, values.bytes(), inverse ? r.inverse.data<int64_t>() : nullptr, counts ? count.data<int64_t>() : nullptr);
  }
  r.values = shortened(values, found);
  r.counts = shortened(count, counts ? found : 0);
  return r;
}
Distinct distinct_along(const Tensor& x, int64_t dim, bool inverse, bool counts, bool consecutive) {
  if (is_complex(x.dtype())) fail(ErrorKind::NotImplemented, "\"unique_dim\" not implemented for '", scalar_type_name(x.dtype()), "'");
  int d = wrap_dim(dim, x.dim());
  Tensor moved = x.dim() ? contiguous_of(transpose(x, 0, d)) : copy_of(x);
  const int64_t n = x.dim() ? x.size(d) : 1;
  if (x.numel() == 0 && n != 0) {
    int empty_dims = 0;
    for (int64_t s : x.sizes()) empty_dims += s == 0;
    FL_CHECK(empty_dims == 0, "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  }
  Distinct r;
  Tensor where_from = empty(IntView{n}, DType::Int64), count = empty(IntView{n}, DType::Int64);
  r.inverse = empty(IntView{inverse || n == 0 ? n : 0}, DType::Int64);
  int64_t found = 0;
  if (n) {
    Unlock unlock(double(x.numel()) * 20);
    found = cpu::unique_rows(x.dtype(), moved.bytes(), n, x.numel() / n, where_from.data<int64_t>(), inverse ? r.inverse.data<int64_t>() : nullptr,
                             counts ? count.data<int64_t>() : nullptr, consecutive);
  }
  if (x.dim() == 0) {
    r.values = copy_of(x);
  } else {
    Dims sizes(moved.sizes());
    sizes[0] = found;
    Tensor rows = empty(sizes, x.dtype());
    const size_t row = n ? size_t(x.numel() / n) * item_size(x.dtype()) : 0;
    for (int64_t k = 0; k < found; ++k) std::memcpy(rows.bytes() + size_t(k) * row, moved.bytes() + size_t(where_from.data<int64_t>()[k]) * row, row);
    r.values = copy_of(contiguous_of(transpose(rows, 0, d)));
  }
  r.counts = shortened(count, counts ? found : 0);
  return r;
}
void ret_all(Call& c, Distinct r) {
  c.ret(r.values);
  c.ret(r.inverse);
  c.ret(r.counts);
}
void ret_wanted(Call& c, Distinct r, bool inverse, bool counts) {
  c.ret(r.values);
  if (inverse) c.ret(r.inverse);
  if (counts) c.ret(r.counts);
}

}  // namespace

static Record unique{{.schema = {"unique(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)"},
                      .forward = [](Call& c) {
                        bool inverse = c.flag(2), counts = c.flag(3);
                        ret_wanted(c, c.has(4) ? distinct_along(c.tensor(0), c.integer(4), inverse, counts, false) : distinct_of(c.tensor(0), inverse, counts, false), inverse, counts);
                      },
                      .flags = kBoth | kNoGrad,
                      .doc = "The distinct elements in order (or, with dim, the distinct slices), and on request where each element went and how many there are.\n\n"
                             ">>> torch.unique(torch.tensor([3, 1, 3]))\ntensor([1, 3])"}};
static Record unique_consecutive{{.schema = {"unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)"},
                                  .forward = [](Call& c) {
                                    bool inverse = c.flag(1), counts = c.flag(2);
                                    ret_wanted(c, c.has(3) ? distinct_along(c.tensor(0), c.integer(3), inverse, counts, true) : distinct_of(c.tensor(0), inverse, counts, true), inverse,
                                               counts);
                                  },
                                  .flags = kBoth | kNoGrad,
                                  .doc = "As unique, of runs of equal elements only."}};
static Record unique2{{.schema = {"_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)"},
                       .forward = [](Call& c) {
                         ret_all(c, distinct_of(c.tensor(0), c.flag(2), c.flag(3), false));
                       },
                       .flags = kFunction | kNoGrad}};
static Record unique1{{.schema = {"_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, Tensor)"},
                       .forward = [](Call& c) {
                         Distinct r = distinct_of(c.tensor(0), c.flag(2), false, false);
                         c.ret(r.values);
                         c.ret(r.inverse);
                       },
                       .flags = kFunction | kNoGrad}};

// ------------------------------------------------------------------------------------------------ sorted sequences

namespace {

void search(Call& c, Tensor bounds, const Value& sought, bool out_int32, bool right, const Tensor& sorter_given, const char* op) {
  Promotion p;
  p.add(Value(bounds));
  p.add(sought);
  DType t = p.result();
  if (is_complex(t) || t == DType::Bool) fail(ErrorKind::NotImplemented, "\"searchsorted_out_cpu\" not implemented for '", scalar_type_name(t), "'");
  const bool number = !sought.is_tensor();
  Tensor values = number ? empty(IntView(), t) : sought.tensor();
  if (number) fill_values(values, sought);
  FL_CHECK(values.dim() > 0 || bounds.dim() == 1, op, "(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim(", bounds.dim(),
           ") and input value's dim(", values.dim(), ") numel(", values.numel(), ")");
  FL_CHECK(bounds.dim() > 0, op, "(): boundaries tensor should have positive dimension, but got 0 dimension");
  bool fits = bounds.dim() == 1 || bounds.dim() == values.dim();
  for (int d = 0; fits && bounds.dim() > 1 && d + 1 < bounds.dim(); ++d) fits = bounds.size(d) == values.size(d);
  FL_CHECK(fits, op, "(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor ",
           bounds.sizes(), " and input value tensor ", values.sizes());
  Tensor sorter = sorter_given;
  if (sorter.defined()) {
    FL_CHECK(sorter.sizes() == bounds.sizes(), op, "(): boundary and sorter must have the same size, but got boundary tensor ", bounds.sizes(), "and got sorter tensor ", sorter.sizes());
    FL_CHECK(sorter.dtype() == DType::Int64, op, "(): sorter must be a tensor of long dtype but got dtype ", scalar_type_name(sorter.dtype()));
    sorter = contiguous_of(sorter);
  }
  DType out_type = out_int32 ? DType::Int32 : DType::Int64;
  if (c.mode == Mode::Out && c.preset[0])
    FL_CHECK(c.preset[0]->dtype == out_type, op,
             "(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on whether out_int32 flag is True, but we got output "
             "tensor's dtype ",
             scalar_type_name(c.preset[0]->dtype), " and out_int32 flag is ", out_int32 ? "True" : "False");
  const int64_t n = bounds.size(-1), rows = bounds.dim() == 1 ? 1 : bounds.numel() / std::max<int64_t>(n, 1);
  Tensor out = empty(values.sizes(), out_type);
  c.ret(out);
  bounds = contiguous_of(cast_of(bounds, t)), values = contiguous_of(cast_of(values, t));
  if (out.numel()) {
    bool ok = true;
    if (n == 0) {
      fill_values(out, Value(0));
    } else {
      Unlock unlock(double(out.numel()) * 20);
      ok = cpu::searchsorted(t, bounds.bytes(), rows, n, sorter.defined() ? sorter.data<int64_t>() : nullptr, values.bytes(), rows, out.numel() / rows, right, out.bytes(), out_int32);
    }
    FL_CHECK(ok, op, "(): sorter index out of range");
  }
}

}  // namespace

static Record searchsorted{{.schema = {"searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
                                       "searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor"},
                            .forward = [](Call& c) {
                              bool right = c.flag(3);
                              if (c.has(4)) {
                                std::string side = c.str(4);
                                FL_CHECK(side == "left" || side == "right", "torch.searchsorted(): side can only be 'left' or 'right' but got ", side);
                                FL_CHECK(!(right && side == "left"), "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
                                right = side == "right";
                              }
                              search(c, c.tensor(0), c.arg(1), c.flag(2), right, c.optional(5), "torch.searchsorted");
                            },
                            .flags = kFunction | kOut | kNoGrad,
                            .doc = "Where each value would be inserted to keep sorted_sequence in order.\n\n>>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([2, 5]))\ntensor([1, 2])"}};
static Record bucketize{{.schema = {"bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
                                    "bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor"},
                         .forward = [](Call& c) {
                           FL_CHECK(c.tensor(1).dim() == 1, "boundaries tensor must be 1 dimension, but got dim(", c.tensor(1).dim(), ")");
                           search(c, c.tensor(1), c.arg(0), c.flag(2), c.flag(3), Tensor(), "torch.searchsorted");
                         },
                         .flags = kFunction | kOut | kNoGrad,
                         .doc = "The bucket between boundaries that each value falls in.\n\n>>> torch.bucketize(torch.tensor([2, 9]), torch.tensor([1, 3, 5]))\ntensor([1, 3])"}};

// ------------------------------------------------------------------------------------------------ counts

static Record histc{{.schema = {"histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor"},
                     .forward = [](Call& c) {
                       Tensor x = c.tensor(0);
                       if (!is_floating(x.dtype())) fail(ErrorKind::NotImplemented, "\"histogram_cpu\" not implemented for '", scalar_type_name(x.dtype()), "'");
                       int64_t bins = c.integer(1);
                       FL_CHECK(bins > 0, "torch.histogram(): bins must be > 0, but got ", bins, " for dimension 0");
                       double low = c.real(2), high = c.real(3);
                       if (low == high && x.numel()) {
                         low = parameter_value(amin(x)).real();
                         high = parameter_value(amax(x)).real();
                       }
                       if (low == high) low -= 1, high += 1;
                       FL_CHECK(std::isfinite(low) && std::isfinite(high), "torch.histc: range of [", low, ", ", high, "] is not finite");
                       FL_CHECK(low < high, "torch.histc: max must be larger than min");
                       x = contiguous_of(x);
                       Tensor out = empty(IntView{bins}, x.dtype());
                       c.ret(out);
                       if (x.numel()) {
                         Unlock unlock(double(x.numel()) * 2);
                         cpu::histc(x.dtype(), x.bytes(), x.numel(), bins, low, high, out.bytes());
                       } else {
                         fill_values(out, Value(0));
                       }
                     },
                     .flags = kBoth | kOut | kNoGrad | kExactOut,
                     .doc = "How many elements fall in each of equal bins from min to max (0 and 0: the data's range)."}};
static Record bincount{{.schema = {"bincount(Tensor self, Tensor? weights=None, int minlength=0) -> Tensor"},
                        .forward = [](Call& c) {
                          Tensor x = c.tensor(0), weights = c.optional(1);
                          int64_t least = c.integer(2), low = 0, high = -1;
                          FL_CHECK(least >= 0, "minlength should be >= 0");
                          if (!is_integral(x.dtype())) fail(ErrorKind::NotImplemented, "\"bincount_cpu\" not implemented for '", scalar_type_name(x.dtype()), "'");
                          if (x.dim() == 1 && x.numel() == 0) {
                            Tensor none = empty(IntView{least}, DType::Int64);
                            fill_values(none, Value(0));
                            return c.ret(none);
                          }
                          x = contiguous_of(x);
                          if (x.numel()) cpu::integer_range(x.dtype(), x.bytes(), x.numel(), &low, &high);
                          FL_CHECK(x.dim() == 1 && low >= 0, "bincount only supports 1-d non-negative integral inputs.");
                          FL_CHECK(!weights.defined() || (weights.dim() == 1 && weights.numel() == x.numel()), "weights should be 1-d and have the same length as input");
                          DType t = !weights.defined() ? DType::Int64 : weights.dtype() == DType::Float32 ? DType::Float32
                                                                                                          : DType::Float64;
                          if (weights.defined()) weights = contiguous_of(cast_of(weights, t));
                          Tensor out = empty(IntView{std::max(least, high + 1)}, t);
                          c.ret(out);
                          fill_values(out, Value(0));
                          cpu::bincount(x.dtype(), x.bytes(), x.numel(), weights.defined() ? weights.bytes() : nullptr, t, out.bytes());
                        },
                        .flags = kBoth | kNoGrad,
                        .doc = "How often each integer occurs, or the sum of its weights.\n\n>>> torch.bincount(torch.tensor([0, 2, 2]))\ntensor([1, 0, 2])"}};

}  // namespace fl::ops
