// Creation: constant tensors, ranges, identity; the _like and new_ forms.
#include "ops/dim_index.h"
#include "ops/factory.h"

#include <complex>

namespace fl::ops {

namespace {

void constant(Call& c, IntView size, int at, const Value& v, DType dtype) {
  Options o = options(c, at, dtype);
  if (c.mode == Mode::Out && c.preset[0] && !c.has(at)) o.dtype = c.preset[0]->dtype;
  checked_bits(v, o.dtype);
  Tensor t = empty(size, o.dtype, o.device);
  fill_values(t, v);
  finish(c, t, o.requires_grad);
}
Tensor like(const Call& c, const Options& o, int at) {  // memory_format at `at`
  const Tensor& x = c.tensor(0);
  MemoryFormat f = c.has(at) ? c.arg(at).format : MemoryFormat::Preserve;
  if (f == MemoryFormat::Preserve) return fl::empty_like(x, o.dtype, o.device);
  return empty_format(x.sizes(), o.dtype, f, o.device);
}

#define OPTIONS FL_OPTIONS
#define LIKE_OPTIONS "*, " OPTIONS ", MemoryFormat? memory_format=None"

}  // namespace

// A tensor without elements, where a sparse layout is asked for.
static bool sparse_zeros(Call& c) {
  if (!c.has(2) || c.arg(2).layout == Layout::Strided) return false;
  IntView size = c.ints(0);
  Tensor sizes = empty(IntView{size.n}, DType::Int64);
  for (int d = 0; d < size.n; ++d) sizes.data<int64_t>()[d] = size[d];
  c.ret(sparse_call("zeros", sizes, empty(IntView{0}, c.dtype(1, default_dtype())), int64_t(c.arg(2).layout), c.has(5) && c.flag(5)));
  return true;
}

Record zeros{{.schema = {"zeros(int[] size, *, " OPTIONS ") -> Tensor"},
              .forward = [](Call& c) {
                if (!sparse_zeros(c)) constant(c, c.ints(0), 1, Value(0), default_dtype());
              },
              .flags = kFunction | kOut | kNoGrad,
              .doc = "A tensor of zeros."}};
Record ones{{.schema = {"ones(int[] size, *, " OPTIONS ") -> Tensor"},
             .forward = [](Call& c) {
               constant(c, c.ints(0), 1, Value(1), default_dtype());
             },
             .flags = kFunction | kOut | kNoGrad,
             .doc = "A tensor of ones."}};
static DType type_of(const Value& v) {
  return v.tag == Value::BoolTag ? DType::Bool : v.tag == Value::IntTag ? DType::Int64
                                             : v.tag == Value::FloatTag ? default_dtype()
                                                                        : default_complex_dtype();
}
Record full{{.schema = {"full(int[] size, Scalar fill_value, *, " OPTIONS ") -> Tensor"},
             .forward = [](Call& c) {
               constant(c, c.ints(0), 2, c.arg(1), type_of(c.arg(1)));
             },
             .flags = kFunction | kOut | kNoGrad,
             .doc = "A tensor filled with a number, whose kind gives the dtype."}};
Record empty_op{{.schema = {"empty(int[] size, *, " OPTIONS ", MemoryFormat? memory_format=None) -> Tensor"},
                 .forward = [](Call& c) {
                   if (sparse_zeros(c)) return;
                   Options o = options(c, 1, default_dtype());
                   if (c.mode == Mode::Out && c.preset[0] && !c.has(1)) o.dtype = c.preset[0]->dtype;
                   finish(c, c.has(6) ? empty_format(c.ints(0), o.dtype, c.arg(6).format, o.device) : fl::empty(c.ints(0), o.dtype, o.device), o.requires_grad);
                 },
                 .flags = kFunction | kOut | kNoGrad,
                 .doc = "An uninitialised tensor."}};
Record empty_strided_op{{.schema = {"empty_strided(int[] size, int[] stride, *, " OPTIONS ") -> Tensor"},
                         .forward = [](Call& c) {
                           Options o = options(c, 2, default_dtype());
                           finish(c, fl::empty_strided(c.ints(0), c.ints(1), o.dtype, o.device), o.requires_grad);
                         },
                         .flags = kFunction | kNoGrad,
                         .doc = "An uninitialised tensor with the given strides."}};
Record empty_permuted{{.schema = {"empty_permuted(int[] size, int[] physical_layout, *, " OPTIONS ") -> Tensor"},
                       .forward = [](Call& c) {
                         Options o = options(c, 2, default_dtype());
                         IntView size = c.ints(0), order = c.ints(1);
                         FL_CHECK(order.n == size.n, "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = ", size.n,
                                  " is not equal to len(physical_layout) = ", order.n);
                         Dims strides(size.n);
                         uint64_t seen = 0;
                         int64_t step = 1;
                         for (int k = size.n - 1; k >= 0; --k) {
                           FL_CHECK(order[k] >= 0 && order[k] < size.n, "Dimension out of range (expected to be between 0 and ", size.n - 1, ", but got ", order[k], " at index ", k,
                                    ").  NB: negative dims not currently supported; file an issue if you want it.");
                           FL_CHECK(!(seen >> order[k] & 1), "Duplicate dim not allowed");
                           seen |= uint64_t(1) << order[k];
                           strides[int(order[k])] = step;
                           step *= std::max<int64_t>(size[int(order[k])], 1);
                         }
                         finish(c, fl::empty_strided(size, strides, o.dtype, o.device), o.requires_grad);
                       },
                       .flags = kFunction | kNoGrad,
                       .doc = "An uninitialised tensor whose dimensions lie in memory in the given order."}};
#define LIKE(NAME, FILL, DOC)                                                             \
  Record NAME##_like{{.schema = {#NAME "_like(Tensor self, " LIKE_OPTIONS ") -> Tensor"}, \
                      .forward = [](Call& c) {                                            \
                        Options o = options(c, 1, c.tensor(0).dtype());                   \
                        Tensor t = like(c, o, 6);                                         \
                        FILL;                                                             \
                        finish(c, t, o.requires_grad);                                    \
                      },                                                                  \
                      .flags = kFunction | kNoGrad,                                       \
                      .doc = DOC}};
LIKE(zeros, fill_values(t, Value(0)), "Zeros in the shape and type of self.")
LIKE(ones, fill_values(t, Value(1)), "Ones in the shape and type of self.")
LIKE(empty, (void)0, "An uninitialised tensor in the shape and type of self.")
Record full_like{{.schema = {"full_like(Tensor self, Scalar fill_value, " LIKE_OPTIONS ") -> Tensor"},
                  .forward = [](Call& c) {
                    Options o = options(c, 2, c.tensor(0).dtype());
                    Tensor t = like(c, o, 7);
                    checked_bits(c.arg(1), o.dtype);
                    fill_values(t, c.arg(1));
                    finish(c, t, o.requires_grad);
                  },
                  .flags = kFunction | kNoGrad,
                  .doc = "A number in the shape and type of self."}};
#define NEW(NAME, FILL)                                                                              \
  Record new_##NAME{{.schema = {"new_" #NAME "(Tensor self, int[] size, *, " OPTIONS ") -> Tensor"}, \
                     .forward = [](Call& c) {                                                        \
                       Options o = options(c, 2, c.tensor(0).dtype());                               \
                       Tensor t = fl::empty(c.ints(1), o.dtype, o.device);                           \
                       FILL;                                                                         \
                       finish(c, t, o.requires_grad);                                                \
                     },                                                                              \
                     .flags = kMethod | kNoGrad,                                                     \
                     .doc = "A new tensor with self's type."}};
NEW(zeros, fill_values(t, Value(0)))
NEW(ones, fill_values(t, Value(1)))
NEW(empty, (void)0)
Record new_full{{.schema = {"new_full(Tensor self, int[] size, Scalar fill_value, *, " OPTIONS ") -> Tensor"},
                 .forward = [](Call& c) {
                   Options o = options(c, 3, c.tensor(0).dtype());
                   Tensor t = fl::empty(c.ints(1), o.dtype, o.device);
                   checked_bits(c.arg(2), o.dtype);
                   fill_values(t, c.arg(2));
                   finish(c, t, o.requires_grad);
                 },
                 .flags = kMethod | kNoGrad,
                 .doc = "A new tensor of self's type, filled."}};
Record new_empty_strided{{.schema = {"new_empty_strided(Tensor self, int[] size, int[] stride, *, " OPTIONS ") -> Tensor"},
                          .forward = [](Call& c) {
                            Options o = options(c, 3, c.tensor(0).dtype());
                            finish(c, fl::empty_strided(c.ints(1), c.ints(2), o.dtype, o.device), o.requires_grad);
                          },
                          .flags = kMethod | kNoGrad,
                          .doc = "A new uninitialised tensor with the given strides."}};

// ------------------------------------------------------------------------------------------------ ranges

namespace {

template <class F>
void fill_by_index(const Tensor& t, F value) {  // value(i): double, int64_t or complex pair, converted to the element type
  int64_t n = t.numel();
  switch (t.dtype()) {
    case DType::Float32: {
      float* p = t.data<float>();
      for (int64_t i = 0; i < n; ++i) p[i] = float(value(i));
      return;
    }
    case DType::Float64: {
      double* p = t.data<double>();
      for (int64_t i = 0; i < n; ++i) p[i] = double(value(i));
      return;
    }
    case DType::Int64: {
      int64_t* p = t.data<int64_t>();
      for (int64_t i = 0; i < n; ++i) p[i] = int64_t(value(i));
      return;
    }
    default: {
      char* p = t.bytes();
      size_t item = item_size(t.dtype());
      for (int64_t i = 0; i < n; ++i, p += item) std::memcpy(p, scalar_bits(Value(value(i)), t.dtype()).bytes, item);
    }
  }
}
bool whole(const Value& v) { return v.tag == Value::IntTag || v.tag == Value::BoolTag; }

}  // namespace

static void range_forward(Call& c, const Value& start, const Value& end, const Value& step, int at, bool closed) {
  bool integers = whole(start) && whole(end) && whole(step);
  DType natural = closed ? default_dtype() : integers ? DType::Int64
                                                      : default_dtype();
  Options o = options(c, at, natural);
  if (c.mode == Mode::Out && c.preset[0] && !c.has(at)) o.dtype = c.preset[0]->dtype;
  if (o.dtype == DType::Bool && !closed) fail(ErrorKind::NotImplemented, "\"arange_cpu\" not implemented for 'Bool'");
  FL_CHECK(step.real() != 0, "step must be nonzero");
  FL_CHECK(std::isfinite(start.real()) && std::isfinite(end.real()), "unsupported range: ", start.real(), " -> ", end.real());
  FL_CHECK(step.real() > 0 ? end.real() >= start.real() : end.real() <= start.real(), "upper bound and lower bound inconsistent with step sign");
  int64_t n;
  if (o.dtype == DType::Int64 || (is_integral(o.dtype) && integers)) {  // counts with the integer parts
    int64_t s = start.integer(), e = end.integer(), d = step.integer();
    FL_CHECK_KIND(Value, d != 0, "step must be nonzero");
    __int128 span = __int128(e) - s;
    n = int64_t(closed ? span / d + 1 : (span + d - (d > 0 ? 1 : -1)) / d);
  } else {
    double span = (end.real() - start.real()) / step.real();
    FL_CHECK(span < 9e18, "invalid size, possible overflow?");
    n = closed ? int64_t(span + 1) : int64_t(std::ceil(span));
  }
  Tensor t = fl::empty(IntView{n}, o.dtype, o.device);
  finish(c, t, o.requires_grad);
  if (is_integral(o.dtype) || o.dtype == DType::Bool) {
    int64_t s = start.integer(), d = step.integer();
    fill_by_index(t, [=](int64_t i) {
      return s + i * d;
    });
  } else {
    double s = start.real(), d = step.real();
    // PyTorch's roundings: groups of 8 (doubles: 4) count from their first number, which is rounded; what two groups do not fill counts
    // from start.
    bool single = o.dtype == DType::Float32;
    int64_t lanes = single ? 8 : 4, grouped = single || o.dtype == DType::Float64 ? n / (2 * lanes) * (2 * lanes) : 0;
    fill_by_index(t, [=](int64_t i) {
      if (i >= grouped) return std::fma(double(i), d, s);
      double first = std::fma(double(i & ~(lanes - 1)), d, s);
      return std::fma(double(i & (lanes - 1)), d, single ? double(float(first)) : first);
    });
  }
}
Record arange{{.schema = {"arange(Scalar end, *, " OPTIONS ") -> Tensor"},
               .forward = [](Call& c) {
                 range_forward(c, Value(0), c.arg(0), Value(1), 1, false);
               },
               .flags = kFunction | kOut | kNoGrad,
               .doc = "0, 1, ... up to but without end.\n\n>>> torch.arange(1, 2.5, 0.5)\ntensor([1.0000, 1.5000, 2.0000])"}};
Record arange_start{{.schema = {"arange.start_step(Scalar start, Scalar end, Scalar step=1, *, " OPTIONS ") -> Tensor"},
                     .forward = [](Call& c) {
                       range_forward(c, c.arg(0), c.arg(1), c.arg(2), 3, false);
                     },
                     .flags = kFunction | kOut | kNoGrad,
                     .doc = "start, start + step, ... up to but without end."}};
Record range{{.schema = {"range(Scalar start, Scalar end, Scalar step=1, *, " OPTIONS ") -> Tensor"},
              .forward = [](Call& c) {
                range_forward(c, c.arg(0), c.arg(1), c.arg(2), 3, true);
              },
              .flags = kFunction | kOut | kNoGrad,
              .doc = "As arange, with end included (deprecated by PyTorch)."}};

static void spaced(Call& c, bool logarithmic, double base, int at) {
  auto number = [&](int k) {
    return c.arg(k).is_tensor() ? parameter_value(c.tensor(k)) : c.arg(k);
  };
  for (int k = 0; k < 2; ++k)
    if (c.arg(k).is_tensor())
      FL_CHECK(c.tensor(k).dim() == 0, c.op.name, " only supports 0-dimensional start and end tensors, but got ", k ? "end" : "start", " with ", c.tensor(k).dim(), " dimension(s).");
  Value a = number(0), b = number(1);
  int64_t n = c.integer(2);
  FL_CHECK(n >= 0, "number of steps must be non-negative");
  bool complex_ends = a.tag == Value::ComplexTag || b.tag == Value::ComplexTag;
  Options o = options(c, at, complex_ends ? default_complex_dtype() : default_dtype());
  if (c.mode == Mode::Out && c.preset[0] && !c.has(at)) o.dtype = c.preset[0]->dtype;
  FL_CHECK(!complex_ends || is_complex(o.dtype), "torch.", c.op.name, "(): inferred dtype ", dtype_name(default_complex_dtype()), " can't be safely cast to passed dtype ", dtype_name(o.dtype));
  Tensor t = fl::empty(IntView{n}, o.dtype, o.device);
  finish(c, t, o.requires_grad);
  int64_t half = n / 2;
  if (is_complex(o.dtype)) {
    std::complex<double> s(a.real(), a.imag()), e(b.real(), b.imag()), step = n > 1 ? (e - s) / double(n - 1) : 0.0;
    for (int64_t i = 0; i < n; ++i) {
      std::complex<double> x = i < half ? s + double(i) * step : e - double(n - 1 - i) * step;
      if (n == 1) x = s;
      if (logarithmic) x = std::pow(std::complex<double>(base), x);
      std::memcpy(t.bytes() + size_t(i) * item_size(o.dtype), scalar_bits(Value(x.real(), x.imag()), o.dtype).bytes, item_size(o.dtype));
    }
    return;
  }
  auto walk = [&](auto zero) {
    using T = decltype(zero);
    T s = T(a.tag == Value::IntTag ? T(a.i) : T(a.real())), e = T(b.tag == Value::IntTag ? T(b.i) : T(b.real()));
    if (is_integral(o.dtype) && !logarithmic) {
      double step = n > 1 ? (double(int64_t(b.real())) - double(int64_t(a.real()))) / double(n - 1) : 0;
      float fstep = float(step);
      (void)fstep;
      fill_by_index(t, [&](int64_t i) {
        double x = i < half || n == 1 ? double(int64_t(a.real())) + step * double(i) : double(int64_t(b.real())) - step * double(n - 1 - i);
        return int64_t(x);
      });
      return;
    }
    T step = n > 1 ? T((e - s) / T(n - 1)) : T(0);
    fill_by_index(t, [&](int64_t i) {
      T x = i < half || n == 1 ? std::fma(step, T(i), s) : std::fma(-step, T(n - 1 - i), e);  // rounded once, as PyTorch's
      return logarithmic ? double(std::pow(base, double(x))) : double(x);
    });
  };
  if (o.dtype == DType::Float32) walk(0.0f);
  else walk(0.0);
}
#define SPACED(NAME, DOC_)                                                                                                                                                                               \
  Record NAME{{.schema = {#NAME "(Scalar start, Scalar end, int steps, *, " OPTIONS ") -> Tensor", #NAME ".Tensor_Tensor(Tensor start, Tensor end, int steps, *, " OPTIONS ") -> Tensor",                \
                          #NAME ".Tensor_Scalar(Tensor start, Scalar end, int steps, *, " OPTIONS ") -> Tensor", #NAME ".Scalar_Tensor(Scalar start, Tensor end, int steps, *, " OPTIONS ") -> Tensor"}, \
               .forward = [](Call& c) {                                                                                                                                                                  \
                 spaced(c, false, 10, 3);                                                                                                                                                                \
               },                                                                                                                                                                                        \
               .flags = kFunction | kOut | kNoGrad,                                                                                                                                                      \
               .doc = DOC_}};
SPACED(linspace, "steps numbers evenly spaced from start to end, both included.")
Record logspace{{.schema = {"logspace(Scalar start, Scalar end, int steps, float base=10.0, *, " OPTIONS ") -> Tensor", "logspace.Tensor_Tensor(Tensor start, Tensor end, int steps, float base=10.0, *, " OPTIONS ") -> Tensor",
                            "logspace.Tensor_Scalar(Tensor start, Scalar end, int steps, float base=10.0, *, " OPTIONS ") -> Tensor", "logspace.Scalar_Tensor(Scalar start, Tensor end, int steps, float base=10.0, *, " OPTIONS ") -> Tensor"},
                 .forward = [](Call& c) {
                   spaced(c, true, c.real(3), 4);
                 },
                 .flags = kFunction | kOut | kNoGrad,
                 .doc = "base to the powers of linspace(start, end, steps)."}};
Record eye{{.schema = {"eye(int n, *, " OPTIONS ") -> Tensor"},
            .forward = [](Call& c) {
              Options o = options(c, 1, default_dtype());
              if (c.mode == Mode::Out && c.preset[0] && !c.has(1)) o.dtype = c.preset[0]->dtype;
              FL_CHECK(c.integer(0) >= 0, "n must be greater or equal to 0, got ", c.integer(0));
              Tensor t = zeros_like_sizes(IntView{c.integer(0), c.integer(0)}, o.dtype);
              fill_values(make_view(t, IntView{c.integer(0)}, IntView{c.integer(0) + 1}, 0), Value(1));
              finish(c, t, o.requires_grad);
            },
            .flags = kFunction | kOut | kNoGrad,
            .doc = "The identity matrix."}};
Record eye_m{{.schema = {"eye.m(int n, int m, *, " OPTIONS ") -> Tensor"},
              .forward = [](Call& c) {
                Options o = options(c, 2, default_dtype());
                if (c.mode == Mode::Out && c.preset[0] && !c.has(2)) o.dtype = c.preset[0]->dtype;
                FL_CHECK(c.integer(0) >= 0, "n must be greater or equal to 0, got ", c.integer(0));
                FL_CHECK(c.integer(1) >= 0, "m must be greater or equal to 0, got ", c.integer(1));
                int64_t k = std::min(c.integer(0), c.integer(1));
                Tensor t = zeros_like_sizes(IntView{c.integer(0), c.integer(1)}, o.dtype);
                fill_values(make_view(t, IntView{k}, IntView{c.integer(1) + 1}, 0), Value(1));
                finish(c, t, o.requires_grad);
              },
              .flags = kFunction | kOut | kNoGrad,
              .doc = "Ones on the diagonal of an n x m matrix."}};
Record scalar_tensor{{.schema = {"scalar_tensor(Scalar s, *, " OPTIONS ") -> Tensor"},
                      .forward = [](Call& c) {
                        constant(c, IntView(), 1, c.arg(0), default_dtype());
                      },
                      .flags = kFunction | kNoGrad,
                      .doc = "A 0-dim tensor of the default type."}};

}  // namespace fl::ops
