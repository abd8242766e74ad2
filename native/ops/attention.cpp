// Scaled dot-product attention: in tiles by one kernel where that applies, else composed of matrix products and a softmax. A gradient that
// is itself recorded is written in operators.
#include "kernels/cpu/attention.h"

#include "base/unlock.h"
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor columns_dense(const Tensor& t) { return t.size(-1) == 1 || t.stride(-1) == 1 ? t : contiguous_of(t); }
cpu::AttentionMatrix matrix(const Tensor& t) {
  if (!t.defined()) return {};
  return {t.bytes(), t.stride(0), t.stride(1), t.stride(2)};
}
// A tensor [batch, heads, rows, columns] whose memory holds the heads of a row together, or the rows of a head.
Tensor empty_heads(IntView sizes, DType dtype, bool heads_together) {
  if (!heads_together) return empty(sizes, dtype);
  const int64_t columns = sizes[3], heads = sizes[1], rows = sizes[2];
  return empty_strided(sizes, IntView{rows * heads * columns, columns, heads * columns, 1}, dtype);
}

struct Masked {
  Tensor tensor;  // keeps what the descriptor points at
  void describe(cpu::AttentionDesc& d, const Tensor& mask, DType dtype, IntView scores) {
    if (!mask.defined()) return;
    tensor = mask.dtype() == DType::Bool ? mask : cast_of(mask, dtype);
    int64_t strides[4] = {};
    const int lead = 4 - tensor.dim();
    for (int k = 0; k < tensor.dim(); ++k) {
      FL_CHECK(tensor.size(k) == scores[lead + k] || tensor.size(k) == 1, "The size of tensor a (", scores[lead + k],
               ") must match the size of tensor b (", tensor.size(k), ") at non-singleton dimension ", lead + k);
      strides[lead + k] = tensor.size(k) == 1 ? 0 : tensor.stride(k);
    }
    d.mask_dtype = tensor.dtype(), d.mask = tensor.bytes();
    d.mask_batch = strides[0], d.mask_head = strides[1], d.mask_row = strides[2], d.mask_column = strides[3];
  }
};
double scale_of(const Value& scale, int64_t width) { return scale.is_none() ? 1 / std::sqrt(double(width)) : scale.real(); }
cpu::AttentionDesc describe(const Tensor& q, const Tensor& k, const Tensor& v, double scale, bool causal) {
  cpu::AttentionDesc d{};
  d.dtype = q.dtype();
  d.batch = q.size(0), d.heads = q.size(1), d.key_heads = k.size(1), d.queries = q.size(2), d.keys = k.size(2);
  d.width = q.size(3), d.value_width = v.size(3), d.scale = scale, d.causal = causal;
  d.q = matrix(q), d.k = matrix(k), d.v = matrix(v);
  return d;
}
double work(const cpu::AttentionDesc& d) {
  return double(d.batch * d.heads) * double(d.queries) * double(d.keys) * double(d.width + d.value_width) * 0.02;
}
DType statistics_type(DType t) { return t == DType::Float64 ? DType::Float64 : DType::Float32; }

// Scores with their masks applied: -inf where a query does not see a key.
Tensor masked_scores(Tensor scores, const Tensor& mask, bool causal) {
  if (causal) {
    Tensor rows = arange(scores.size(-2)), columns = arange(scores.size(-1));
    scores = masked_fill(scores, gt(columns, unsqueeze(rows, 1)), -kInfinity);
  }
  if (!mask.defined()) return scores;
  Dims size(scores.sizes());
  Tensor r;
  if (mask.dtype() == DType::Bool) {
    Tensor hidden = logical_not(mask);
    r = hidden.dim() <= scores.dim() ? masked_fill(scores, hidden, -kInfinity)
                                     : masked_fill(expand(scores, broadcast_shapes(scores.sizes(), hidden.sizes())), hidden, -kInfinity);
  } else {
    r = add(scores, mask);
  }
  FL_CHECK(r.sizes() == IntView(size), "output with shape ", size, " doesn't match the broadcast shape ", r.sizes());
  return r;
}
// Softmax over keys; a query that sees none gets zeros.
Tensor safe_softmax(const Tensor& scores, bool masked) {
  if (!masked || scores.numel() == 0) return softmax(scores, -1);
  Tensor blind;
  {
    GradModeGuard off(false);
    blind = eq(amax(scores, IntView{-1}, true), -kInfinity);
  }
  return masked_fill(softmax(masked_fill(scores, blind, 0.0), -1), blind, 0.0);
}
// Key and value heads repeated for the query heads that share them.
Tensor repeat_heads(const Tensor& t, int64_t heads) {
  const int64_t have = t.size(-3);
  if (have == heads) return t;
  Dims expanded(t.sizes()), flat(t.sizes());
  const int at = t.dim() - 3;
  expanded.insert(at + 1, heads / have);
  flat[at] = heads;
  return reshape(expand(unsqueeze(t, at + 1), expanded), flat);
}
Tensor sum_heads(const Tensor& t, int64_t heads) {
  if (t.size(1) == heads) return t;
  return sum(reshape(t, Dims{t.size(0), heads, t.size(1) / heads, t.size(2), t.size(3)}), IntView{2});
}

// The gradient in operators: of softmax(scale q k^T + mask) v for the gradient g of the result.
void gradient_in_operators(Grad& G, double scale, bool causal, const Tensor& mask) {
  const DType t = G.in(0).dtype(), wide = statistics_type(t);
  const int64_t heads = G.in(0).size(1), key_heads = G.in(1).size(1);
  Tensor q = to_dtype(G.in(0), wide), k = repeat_heads(to_dtype(G.in(1), wide), heads), v = repeat_heads(to_dtype(G.in(2), wide), heads),
         g = to_dtype(G.grad(), wide);
  Tensor m = mask.defined() && mask.dtype() != DType::Bool ? to_dtype(mask, wide) : mask;
  Tensor p = safe_softmax(masked_scores(mul(matmul(q, transpose(k, -2, -1)), scale), m, causal), mask.defined());
  Tensor gp = matmul(g, transpose(v, -2, -1));
  Tensor gs = mul(mul(p, sub(gp, sum(mul(p, gp), IntView{-1}, true))), scale);
  if (G.needs(0)) G.set(0, to_dtype(matmul(gs, k), t));
  if (G.needs(1)) G.set(1, to_dtype(sum_heads(matmul(transpose(gs, -2, -1), q), key_heads), t));
  if (G.needs(2)) G.set(2, to_dtype(sum_heads(matmul(transpose(p, -2, -1), g), key_heads), t));
}

bool one_batch(const Tensor& q, const Tensor& k, const Tensor& v) {
  return q.dim() == 4 && k.dim() == 4 && v.dim() == 4 && q.size(0) == k.size(0) && q.size(0) == v.size(0) && k.size(1) == v.size(1) &&
         k.size(1) > 0 && q.size(1) % k.size(1) == 0 && q.size(3) == k.size(3) && k.size(2) == v.size(2);
}

// By the kernel. Results: the output, and the logarithm of the sum of the exponentials of each query's scores.
Record fused{{.schema = {"_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0.0, bool "
                         "is_causal=False, *, Tensor? attn_mask=None, "
                         "float? scale=None) -> (Tensor output, Tensor logsumexp)"},
              .forward =
                  [](Call& c) {
                    FL_CHECK(c.real(3) == 0, "scaled_dot_product_attention_flash_attention: Currently do not support dropout > 0");
                    FL_CHECK(one_batch(c.tensor(0), c.tensor(1), c.tensor(2)),
                             "scaled_dot_product_attention_flash_attention: Accept only 4 dims inputs shape of {(B), H, T, K} with Q/K/V of the "
                             "same batch, heads of the query a multiple of those of key and value, and the same width of query and key, but got ",
                             c.tensor(0).sizes(), ", ", c.tensor(1).sizes(), " and ", c.tensor(2).sizes());
                    const DType t = c.tensor(0).dtype();
                    FL_CHECK(is_floating(t) && c.tensor(1).dtype() == t && c.tensor(2).dtype() == t,
                             "scaled_dot_product_attention_flash_attention: Expected query, key, and value to have the same "
                             "floating point dtype");
                    Tensor q = columns_dense(c.tensor(0)), k = columns_dense(c.tensor(1)), v = columns_dense(c.tensor(2));
                    const bool together = q.size(3) == v.size(3) && q.stride(1) < q.stride(2);
                    Tensor out = empty_heads(Dims{q.size(0), q.size(1), q.size(2), v.size(3)}, t, together);
                    Tensor lse = empty(IntView{q.size(0), q.size(1), q.size(2)}, statistics_type(t));
                    c.ret(out);
                    c.ret(lse);
                    auto d = describe(q, k, v, scale_of(c.arg(6), q.size(3)), c.flag(4));
                    Masked mask;
                    mask.describe(d, c.optional(5), t, Dims{d.batch, d.heads, d.queries, d.keys});
                    d.out = matrix(out), d.lse = lse.bytes();
                    if (out.numel()) {
                      Unlock unlock(work(d));
                      cpu::attention_kernels().attention(d);
                    }
                  },
              .gradient =
                  [](Grad& G) {
                    if (!G.grad().defined()) return;
                    Tensor mask = G.arg(5).tag == Value::TensorTag ? G.in(5) : Tensor(), q = G.in(0), k = G.in(1), v = G.in(2);
                    const double scale = scale_of(G.arg(6), q.size(3));
                    const bool causal = G.arg(4).b;
                    if (thread_state().grad_enabled) return gradient_in_operators(G, scale, causal, mask);
                    q = columns_dense(q), k = columns_dense(k), v = columns_dense(v);
                    Tensor g = columns_dense(cast_of(G.grad(), q.dtype())), out = G.result(0), lse = G.result(1);
                    Tensor gq = empty_heads(q.sizes(), q.dtype(), true), gk = empty_heads(k.sizes(), q.dtype(), true),
                           gv = empty_heads(v.sizes(), q.dtype(), true);
                    if (G.needs(0)) G.set(0, gq);
                    if (G.needs(1)) G.set(1, gk);
                    if (G.needs(2)) G.set(2, gv);
                    auto d = describe(q, k, v, scale, causal);
                    Masked masked;
                    masked.describe(d, mask, q.dtype(), Dims{d.batch, d.heads, d.queries, d.keys});
                    d.out = matrix(out), d.lse = lse.bytes(), d.grad_out = matrix(g), d.grad_q = matrix(gq), d.grad_k = matrix(gk),
                    d.grad_v = matrix(gv);
                    if (out.numel()) {
                      Unlock unlock(work(d) * 2.5);
                      cpu::attention_kernels().attention_backward(d);
                    } else {
                      for (auto* t : {&gq, &gk, &gv}) zero_.inplace(*t);
                    }
                  },
              .save = save_in(0) | save_in(1) | save_in(2) | save_in(5) | save_out(0) | save_out(1),
              .flags = kFunction,
              .nodes = {"ScaledDotProductFlashAttentionForCpuBackward0"},
              .doc = "scaled_dot_product_attention by the kernel, with what its gradient needs."}};

void check_arguments(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  FL_CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype(),
           "Expected query, key, and value to have the same dtype, but got query.dtype: ", c10_name(q.dtype()), " key.dtype: ", c10_name(k.dtype()),
           " and value.dtype: ", c10_name(v.dtype()), " instead.");
  FL_CHECK(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2,
           "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ", q.dim(), " key.dim: ", k.dim(),
           " and value.dim: ", v.dim(), " instead.");
  if (mask.defined())
    FL_CHECK(mask.dtype() == DType::Bool || mask.dtype() == DType::Float32 || mask.dtype() == q.dtype(),
             "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ", c10_name(mask.dtype()),
             " and  query.dtype: ", c10_name(q.dtype()), " instead.");
}
// Does the mask fit the scores of the batch without changing their shape?
bool mask_fits(const Tensor& mask, const Tensor& q, const Tensor& k) {
  if (!mask.defined()) return true;
  if (mask.dim() > 4 || mask.dim() < 2) return false;
  const int64_t scores[4] = {q.size(0), q.size(1), q.size(2), k.size(2)};
  for (int d = 1; d <= mask.dim(); ++d)
    if (mask.size(-d) != 1 && mask.size(-d) != scores[4 - d]) return false;
  return true;
}

Tensor composed(const Tensor& q, const Tensor& k_given, const Tensor& v_given, const Tensor& mask, double dropout_p, bool causal, const Value& scale,
                bool shared_heads) {
  FL_CHECK(!(causal && mask.defined()), "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  Tensor k = k_given, v = v_given;
  if (shared_heads) {
    FL_CHECK(q.dim() >= 3 && k.dim() >= 3 && v.dim() >= 3 && k.size(-3) > 0 && v.size(-3) > 0 && q.size(-3) % k.size(-3) == 0 &&
                 q.size(-3) % v.size(-3) == 0,
             "Number of heads in key and value must divide the number of heads in query");
    k = repeat_heads(k, q.size(-3)), v = repeat_heads(v, q.size(-3));
  }
  const double s = scale_of(scale, q.size(-1)), root = std::sqrt(std::abs(s));
  Tensor scores = matmul(mul(q, s < 0 ? -root : root), mul(transpose(k, -2, -1), root));
  Tensor p = safe_softmax(masked_scores(scores, mask, causal), mask.defined());
  if (dropout_p > 0) p = dropout(p, dropout_p, true);
  return matmul(p, v);
}

}  // namespace

static void attention_call(Call& c) {
  Tensor q = c.tensor(0), k = c.tensor(1), v = c.tensor(2), mask = c.optional(3);
  const double dropout_p = c.real(4);
  const bool causal = c.flag(5), shared_heads = c.flag(7);
  check_arguments(q, k, v, mask);
  FL_CHECK(dropout_p >= 0 && dropout_p <= 1, "dropout probability has to be between 0 and 1, but got ", dropout_p);
  const int dims = q.dim();
  bool by_kernel = dims <= 4 && k.dim() == dims && v.dim() == dims && is_floating(q.dtype()) && dropout_p == 0 && q.numel() && k.numel() &&
                   v.numel() && !(mask.defined() && thread_state().grad_enabled && mask.requires_grad());
  if (by_kernel) {
    Tensor all[3] = {q, k, v};
    for (Tensor& t : all)
      for (int d = dims; d < 4; ++d) t = unsqueeze(t, 0);
    by_kernel = one_batch(all[0], all[1], all[2]) && (shared_heads || all[0].size(1) == all[1].size(1)) && mask_fits(mask, all[0], all[1]);
    if (by_kernel) {
      const DType t = q.dtype();
      // Narrow inputs with a mask in float32, or without batch and heads, are computed in float32.
      const bool widen = is_reduced_float(t) && (dims < 4 || (mask.defined() && mask.dtype() == DType::Float32));
      if (widen)
        for (Tensor& x : all) x = to_dtype(x, DType::Float32);
      Tensor r = fused(all[0], all[1], all[2], 0.0, causal, mask, c.arg(6));
      if (widen) r = to_dtype(r, t);
      for (int d = dims; d < 4; ++d) r = squeeze_dims(r, IntView{0});
      return c.ret(r);
    }
  }
  const DType t = q.dtype();
  if (!is_reduced_float(t)) return c.ret(composed(q, k, v, mask, dropout_p, causal, c.arg(6), shared_heads));
  const bool wide_mask = mask.defined() && mask.dtype() == t;
  Tensor r = composed(to_dtype(q, DType::Float32), to_dtype(k, DType::Float32), to_dtype(v, DType::Float32),
                      wide_mask ? to_dtype(mask, DType::Float32) : mask, dropout_p, causal, c.arg(6), shared_heads);
  c.ret(to_dtype(r, t));
}
Record scaled_dot_product_attention{
    {.schema = {"scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool "
                "is_causal=False, *, "
                "float? scale=None, bool enable_gqa=False) -> Tensor"},
     .forward = attention_call,
     .flags = kNn | kFunction | kComposite,
     .autocast = Autocast::Lower,
     .doc = "softmax(scale query key^T + mask) value, for each batch item and head.\n\nTensors are (..., length, width). attn_mask: Bool (True: "
            "seen) or added to the "
            "scores; is_causal: query i sees keys 0..i; scale: 1 / sqrt(width) by default; enable_gqa: key and value may have fewer heads.\n\n"
            ">>> q = torch.ones(1, 2, 3, 4)\n>>> torch.nn.functional.scaled_dot_product_attention(q, q, q).shape\ntorch.Size([1, 2, 3, 4])"}};

}  // namespace fl::ops
