// Bernoulli draws and what is made of them: dropout of elements and of features, alpha dropout, randomised leaky ReLU.
#include "ops/random_fill.h"

namespace fl::ops {

#define GENERATOR "Generator? generator=None"

namespace {

void zero_gradient(Grad& G) {
  for (int k = 0; k < 2 && k < G.node.nargs; ++k)
    if (G.is_tensor(k) && G.needs(k)) G.set(k, zeros_like_sizes(G.sizes(k), G.dtype(k)));
}

void draw_bernoulli(const Tensor& t, double p, Generator& g) {
  FL_CHECK(p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  if (is_complex(t.dtype())) no_kernel("bernoulli_scalar_cpu_", t.dtype());
  check_no_overlap(t);
  fill_in_order(t, [&](void* out, int64_t n) {
    cpu::fill_bernoulli(g, t.dtype(), out, n, p);
  });
}
void draw_bernoulli(const Tensor& t, const Tensor& p, Generator& g) {
  if (!is_floating(p.dtype())) no_kernel("bernoulli_tensor_cpu_p_", p.dtype());
  if (is_complex(t.dtype())) no_kernel("bernoulli_tensor_cpu_self_", t.dtype());
  check_no_overlap(t);
  Tensor wide = expand(p, t.sizes());
  bool dense = is_dense(t.sizes(), t.strides());
  Dims order = dense ? Dims(t.strides()) : memory_order(t);
  Tensor chance = empty_strided(t.sizes(), order, p.dtype());
  copy_values(chance, wide);
  int64_t bad = -1;
  fill_in_order(t, [&](void* out, int64_t n) {
    bad = cpu::fill_bernoulli_tensor(g, t.dtype(), out, p.dtype(), chance.bytes(), n);
  });
  FL_CHECK(bad < 0, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
}

}  // namespace

static Record bernoulli{{.schema = {"bernoulli(Tensor self, *, " GENERATOR ") -> Tensor"},
                         .forward = [](Call& c) {
                           const Tensor& p = c.tensor(0);
                           DType t = c.mode == Mode::Out && c.preset[0] ? c.preset[0]->dtype : p.dtype();
                           Tensor r = empty(p.sizes(), t);
                           draw_bernoulli(r, p, generator_of(c.arg(1)));
                           c.ret(r);
                         },
                         .gradient = zero_gradient,
                         .flags = kBoth | kOut,
                         .doc = "Ones with the probabilities self, else zeros."}};
static Record bernoulli_p{{.schema = {"bernoulli.p(Tensor self, float p, *, " GENERATOR ") -> Tensor"},
                           .forward =
                               [](Call& c) {
                                 Tensor r = empty(c.tensor(0).sizes(), c.tensor(0).dtype());
                                 draw_bernoulli(r, c.real(1), generator_of(c.arg(2)));
                                 c.ret(r);
                               },
                           .gradient = zero_gradient,
                           .flags = kBoth,
                           .nodes = {"BernoulliBackward2"},
                           .doc = "Ones with probability p, else zeros, in the shape of self."}};
static Record bernoulli_tensor_{{.schema = {"bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, " GENERATOR ") -> Tensor(a!)"},
                                 .forward =
                                     [](Call& c) {
                                       draw_bernoulli(c.tensor(0), c.tensor(1), generator_of(c.arg(2)));
                                       c.ret(c.tensor(0));
                                     },
                                 .gradient = zero_gradient,
                                 .flags = kMethod | kInplaceOnly,
                                 .nodes = {"BernoulliBackward1"},
                                 .doc = "Fills self with ones of probabilities p, else zeros."}};
static Record bernoulli_float_{{.schema = {"bernoulli_.float(Tensor(a!) self, float p=0.5, *, " GENERATOR ") -> Tensor(a!)"},
                                .forward =
                                    [](Call& c) {
                                      draw_bernoulli(c.tensor(0), c.real(1), generator_of(c.arg(2)));
                                      c.ret(c.tensor(0));
                                    },
                                .gradient = zero_gradient,
                                .flags = kMethod | kInplaceOnly,
                                .nodes = {"BernoulliBackward2"},
                                .doc = "Fills self with ones of probability p, else zeros."}};

// ------------------------------------------------------------------------------------------------ dropout

namespace {

// Arguments: input, p, train. The result's history is that of the product with the noise.
void dropout_call(Call& c, bool feature, bool alpha) {
  const Tensor& x = c.tensor(0);
  double p = c.real(1);
  FL_CHECK(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  const bool inplace = c.mode == Mode::Inplace;
  auto product = [&](const Tensor& noise) {
    if (!inplace) return mul(x, noise);
    mul.inplace(x, noise);
    return x;
  };
  if (p == 0 || !c.flag(2) || x.numel() == 0) return c.ret(x);
  if (p == 1) return c.ret(product(zeros_like_sizes(IntView(), x.dtype())));
  if (is_complex(x.dtype())) no_kernel("bernoulli_scalar_cpu_", x.dtype());
  FL_CHECK(is_floating(x.dtype()), "result type Float can't be cast to the desired output type ", scalar_type_name(x.dtype()));
  Tensor noise, shift;
  if (feature) {
    FL_CHECK(x.dim() >= 2, "Feature dropout requires at least 2 dimensions in the input");
    Dims sizes(x.dim(), 1);
    sizes[0] = x.size(0), sizes[1] = x.size(1);
    noise = empty(sizes, x.dtype());
  } else {
    noise = fl::empty_like(x);
  }
  double scale = x.dtype() == DType::Float64 ? 1 / (1 - p) : double(1.0f / float(1 - p));
  Generator& g = generator_of(Value());
  fill_in_order(noise, [&](void* out, int64_t n) {
    if (alpha) cpu::fill_bernoulli(g, noise.dtype(), out, n, 1 - p);
    else cpu::fill_dropout(g, noise.dtype(), out, n, 1 - p, scale);
  });
  if (alpha) {  // dropped elements take the lower limit of SELU; mean and variance are kept
    constexpr double limit = 1.7580993408473766;
    double a = 1 / std::sqrt((limit * limit * p + 1) * (1 - p));
    GradModeGuard off(false);
    shift = add(mul(sub(noise, 1), limit * a), limit * a * p);
    mul.inplace(noise, a);
  }
  Tensor r = product(noise);
  if (alpha && inplace) add.inplace(r, shift);
  else if (alpha) r = add(r, shift);
  c.ret(r);
}

}  // namespace

#define DROPOUT(NAME, FEATURE, ALPHA, DOC)                                        \
  Record NAME{{.schema = {#NAME "(Tensor input, float p, bool train) -> Tensor"}, \
               .forward =                                                         \
                   [](Call& c) {                                                  \
                     dropout_call(c, FEATURE, ALPHA);                             \
                   },                                                             \
               .flags = kFunction | kInplace | kComposite,                        \
               .doc = DOC}};
DROPOUT(dropout, false, false, "In training zeroes elements with probability p and scales the others by 1 / (1 - p).")
DROPOUT(feature_dropout, true, false, "Dropout of whole channels (dim 1).")
DROPOUT(alpha_dropout, false, true, "Dropout that keeps mean and variance of self-normalising networks (Klambauer et al. 2017).")
DROPOUT(feature_alpha_dropout, true, true, "alpha_dropout of whole channels (dim 1).")

static Record native_dropout{{.schema = {"native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)"},
                              .forward = [](Call& c) {
                                const Tensor& x = c.tensor(0);
                                bool train = !c.has(2) || c.flag(2);
                                double p = c.real(1), scale = p == 1 ? 0 : 1 / (1 - p);
                                Tensor mask = fl::empty_like(x, DType::Bool);
                                if (!train) {
                                  fill_values(mask, Value(true));
                                  c.ret(copy_of(x));
                                  return c.ret(mask);
                                }
                                draw_bernoulli(mask, 1 - p, generator_of(Value()));
                                GradModeGuard off(false);
                                Tensor r = mul(x, mask);
                                mul.inplace(r, scale);
                                c.ret(r);
                                c.ret(mask);
                              },
                              .gradient = [](Grad& G) {
                                double p = G.arg(1).real();
                                bool train = G.arg(2).is_none() || G.arg(2).b;
                                if (G.grad().defined()) G.set(0, mul(mul(G.grad(), G.result(1)), !train ? 1.0 : p == 1 ? 0.0
                                                                                                                       : 1 / (1 - p)));
                              },
                              .save = save_out(1),
                              .flags = kFunction,
                              .doc = "Dropout with the mask of kept elements."}};

// ------------------------------------------------------------------------------------------------ randomised leaky ReLU

extern Record leaky_relu;

static Record rrelu_with_noise{
    {.schema = {"rrelu_with_noise(Tensor self, Tensor noise, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, " GENERATOR
                ") -> Tensor"},
     .forward =
         [](Call& c) {
           const Tensor &x = c.tensor(0), &noise = c.tensor(1);
           double lower = c.arg(2).real(), upper = c.arg(3).real();
           FL_CHECK(lower <= upper, "Lower bound should be less than or equal to the upper bound");
           FL_CHECK(noise.sizes() == x.sizes(), "noise tensor shape must match self tensor shape. Got self.shape = ", x.sizes(),
                    " noise.shape = ", noise.sizes());
           if (!is_floating(x.dtype())) no_kernel(c.flag(4) ? "rrelu_with_noise_out_cpu" : "leaky_relu_cpu", x.dtype());
           GradModeGuard off(false);
           if (!c.flag(4)) {
             if (c.mode == Mode::Inplace) {
               leaky_relu.inplace(x, (lower + upper) / 2);
               return c.ret(x);
             }
             return c.ret(leaky_relu(x, (lower + upper) / 2));
           }
           Tensor in = contiguous_of(x), out = empty(x.sizes(), x.dtype());
           c.ret(out);
           Tensor slopes = noise.is_contiguous() && noise.dtype() == x.dtype() ? noise : empty(x.sizes(), x.dtype());
           cpu::rrelu_noise(generator_of(c.arg(5)), x.dtype(), out.bytes(), slopes.bytes(), in.bytes(), x.numel(), lower, upper);
           if (slopes.get() != noise.get()) copy_values(noise, slopes);
         },
     .gradient =
         [](Grad& G) {
           if (!G.needs(0)) return;
           if (G.arg(4).b) return G.set(0, mul(G.grad(), G.in(1)));
           G.set(0, leaky_relu_backward(G.grad(), G.in(0), (G.arg(2).real() + G.arg(3).real()) / 2));
         },
     .save = save_in(0) | save_in(1),
     .flags = kNn | kFunction | kInplace | kOut,
     .doc = "rrelu that also writes the slopes into noise."}};
static Record rrelu{
    {.schema = {"rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, " GENERATOR ") -> Tensor"},
     .forward =
         [](Call& c) {
           const Tensor& x = c.tensor(0);
           Tensor noise = empty(x.sizes(), x.dtype());
           if (!c.flag(3)) fill_values(noise, Value(0));
           if (c.mode != Mode::Inplace) return c.ret(rrelu_with_noise(x, noise, c.arg(1), c.arg(2), c.arg(3), c.arg(4)));
           rrelu_with_noise.inplace(x, noise, c.arg(1), c.arg(2), c.arg(3), c.arg(4));
           c.ret(x);
         },
     .flags = kFunction | kInplace | kComposite,
     .doc = "leaky_relu whose slope for each negative element is drawn uniformly in training, else the mean of the bounds.\n\n"
            ">>> torch.rrelu(torch.tensor([1.]))\ntensor([1.])"}};

}  // namespace fl::ops
