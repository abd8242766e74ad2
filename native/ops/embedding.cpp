// Tables of rows looked up by index: embedding, its renormalisation, and bags of rows summed, averaged or maximised.
#include "ops/dim_index.h"

namespace fl::ops {

namespace {

void check_indices(const char* op, const Tensor& index) {
  static const char* names[kDTypes + 1] = {"Bool", "Byte", "Char", "Short", "Int", "Long", "UInt16", "UInt32",
                                           "UInt64", "Half", "BFloat16", "Float", "Double", "ComplexFloat", "ComplexDouble", "ComplexHalf", ""};
  FL_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32,
           "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.",
           names[size_t(index.dtype())], "Tensor instead (while checking arguments for ", op, ")");
}
Tensor flat_index(const Tensor& index) { return contiguous_of(as_int64(index)); }
void check_float(const char* kernel, DType t) {
  if (!is_floating(t)) fail(ErrorKind::NotImplemented, "\"", kernel, "\" not implemented for '", scalar_type_name(t), "'");
}

}  // namespace

// ------------------------------------------------------------------------------------------------ embedding

extern Record embedding_backward;

Record embedding{
    {.schema = {"embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor"},
     .forward =
         [](Call& c) {
           const Tensor &weight = c.tensor(0), &index = c.tensor(1);
           FL_CHECK(weight.dim() == 2, "'weight' must be 2-D");
           check_indices("embedding", index);
           Dims sizes(index.sizes());
           sizes.push(weight.size(1));
           Tensor flat = flat_index(index), out = empty(sizes, weight.dtype());
           c.ret(out);
           int64_t rows[2] = {flat.numel(), weight.size(1)}, item = int64_t(item_size(weight.dtype()));
           Dims from = byte_strides(weight);
           int64_t to[2] = {weight.size(1) * item, item}, index_step[2] = {8, 0};
           cpu::DimIndex d;
           d.ndim = 2;
           d.dim = 0;
           d.sizes = rows;
           d.self_strides = from.data();
           d.other_strides = to;
           d.index = flat.data<int64_t>();
           d.index_strides = index_step;
           d.bound = weight.size(0);
           cpu::BadIndex bad;
           {
             Unlock unlock(double(out.numel()) * 0.3);
             bad = cpu::gather(item, d, weight.bytes(), out.bytes());
           }
           FL_CHECK_KIND(Index, !bad, "index out of range in self");
         },
     .gradient =
         [](Grad& G) {
           if (G.arg(4).b) {
             FL_CHECK(!G.arg(3).b, "embedding_backward: scale_grad_by_freq not supported with sparse gradients");
             return G.set(0, sparse_call("embedding", G.grad(), G.in(1), G.sizes(0)[0], G.arg(2).i));
           }
           G.set(0, embedding_backward(G.grad(), G.in(1), G.sizes(0)[0], G.arg(2), G.arg(3)));
         },
     .save = save_in(1),
     .flags = kFunction | kMixesDevices,
     .doc = "The rows of weight at indices: shape indices.shape + (width,)."}};

Record embedding_backward{
    {.schema = {"embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq) -> Tensor"},
     .forward =
         [](Call& c) {
           const Tensor& given = c.tensor(0);
           check_float("embedding_backward", given.dtype());
           Tensor g = contiguous_of(given), index = flat_index(c.tensor(1));
           int64_t width = g.size(-1), rows = c.integer(2), padding = c.integer(3);
           Tensor out = empty(IntView{rows, width}, g.dtype());
           c.ret(out);
           cpu::BadIndex bad;
           {
             Unlock unlock(double(g.numel() + out.numel()) * 0.3);
             bad = cpu::embedding_backward(g.dtype(), g.bytes(), index.data<int64_t>(), index.numel(), width, rows, padding, c.flag(4), out.bytes());
           }
           FL_CHECK_KIND(Index, !bad, "index out of range in self");
         },
     .gradient =
         [](Grad& G) {  // rows of the incoming gradient, as they were summed
           Tensor index = G.in(1), r = embedding(G.grad(), index);
           if (G.arg(4).b) {
             Tensor flat = reshape(to_dtype(index, DType::Int64), IntView{-1});
             Tensor count = index_add(zeros_like_sizes(IntView{G.arg(2).i}, r.dtype()), 0, flat, ones(IntView{flat.numel()}, r.dtype()));
             r = div(r, unsqueeze(reshape(index_select(count, 0, flat), index.sizes()), -1));
           }
           if (G.arg(3).i >= 0) r = masked_fill(r, unsqueeze(eq(index, G.arg(3)), -1), 0);
           G.set(0, r);
         },
     .save = save_in(1),
     .flags = kPrivate | kMixesDevices,
     .nodes = {"EmbeddingDenseBackwardBackward0"}}};

Record embedding_renorm_{{.schema = {"embedding_renorm_(Tensor(a!) self, Tensor indices, float max_norm, float norm_type) -> Tensor(a!)"},
                          .forward = [](Call& c) {
                            const Tensor& self = c.tensor(0);
                            c.ret(self);
                            FL_CHECK(self.dim() == 2, "'self' must be 2-D");
                            check_indices("embedding_renorm_", c.tensor(1));
                            check_float("embedding_renorm_", self.dtype());
                            Tensor index = flat_index(c.tensor(1)), rows = self.stride(1) == 1 || self.size(1) <= 1 ? self : contiguous_of(self);
                            cpu::BadIndex bad = cpu::embedding_renorm(self.dtype(), rows.bytes(), rows.size(0), rows.size(1),
                                                                      rows.stride(0) * int64_t(item_size(self.dtype())), index.data<int64_t>(),
                                                                      index.numel(), c.real(2), c.real(3));
                            FL_CHECK_KIND(Index, !bad, "index out of range in self");
                            if (rows.get() != self.get()) copy_values(self, rows);
                          },
                          .flags = kFunction | kInplaceOnly | kNoGrad,
                          .doc = "Scales the rows of self named by indices down to max_norm, in place.\n\n"
                                 ">>> torch.embedding_renorm_(torch.tensor([[3., 4.]]), torch.tensor([0]), 1.0, 2.0)\ntensor([[0.6000, 0.8000]])"}};

// ------------------------------------------------------------------------------------------------ bags

namespace {

// A sum without padding is made directly; only then is an included last offset heeded, and no index's bag is noted.
bool plain_sum(int64_t mode, int64_t padding) { return mode == 0 && padding < 0; }
// The offsets with the end of the last bag after them.
Tensor bag_ends(const Tensor& offsets, int64_t n, bool include_last, bool plain) {
  int64_t bags = offsets.numel() - int64_t(include_last);
  Tensor given = flat_index(offsets), ends = empty(IntView{bags + 1}, DType::Int64);
  std::memcpy(ends.bytes(), given.bytes(), size_t(bags) * 8);
  ends.data<int64_t>()[bags] = include_last && plain ? given.data<int64_t>()[bags] : n;
  return ends;
}
struct BagCall {
  Tensor weight, index, ends, samples;
  cpu::EmbeddingBag bag;
};
// `weight` may be undefined (rows and width then given).
BagCall bag_call(const Tensor& weight, int64_t rows, int64_t width, const Tensor& index, const Tensor& ends, int64_t mode, const Tensor& samples,
                 int64_t padding, bool by_frequency) {
  BagCall b;
  if (weight.defined()) b.weight = contiguous_of(weight);
  b.index = flat_index(index);
  b.ends = ends;
  if (samples.defined()) b.samples = contiguous_of(samples);
  b.bag.mode = mode == 0 ? cpu::BagMode::Sum : mode == 1 ? cpu::BagMode::Mean
                                                         : cpu::BagMode::Max;
  b.bag.rows = rows;
  b.bag.width = width;
  b.bag.index = b.index.data<int64_t>();
  b.bag.n = b.index.numel();
  b.bag.offsets = b.ends.data<int64_t>();
  b.bag.bags = b.ends.numel() - 1;
  b.bag.sample_weights = b.samples.defined() ? b.samples.bytes() : nullptr;
  b.bag.padding_index = padding;
  b.bag.scale_by_frequency = by_frequency;
  return b;
}

// Arguments of every bag operator: weight 0, indices 1, offsets 2, scale_grad_by_freq 3, mode 4, sparse 5, per_sample_weights 6,
// include_last_offset 7, padding_idx 8.
void bag_forward(Call& c) {
  const Tensor &weight = c.tensor(0), &index = c.tensor(1), &offsets = c.tensor(2);
  Tensor samples = c.optional(6);
  int64_t mode = c.integer(4), padding = c.integer(8);
  bool include_last = c.flag(7);
  FL_CHECK(weight.dim() == 2, "'weight' must be 2-D");
  check_indices("embedding_bag", index);
  check_float("embedding_bag", weight.dtype());
  FL_CHECK(offsets.dtype() == DType::Int64 || offsets.dtype() == DType::Int32, "embedding_bag: offsets must be of type Long or Int, but got ",
           scalar_type_name(offsets.dtype()));
  FL_CHECK(offsets.dim() == 1, "embedding_bag: offsets has to be a 1D Tensor, but got Tensor of dimension ", offsets.dim());
  FL_CHECK(!include_last || offsets.numel() >= 1, "include_last_offset: number of offset should be at least 1");
  if (samples.defined()) {
    FL_CHECK(mode == 0, "embedding_bag: per_sample_weights only supported with mode='sum'");
    FL_CHECK(samples.dtype() == weight.dtype(), "expected scalar type ", scalar_type_name(weight.dtype()), " but found ",
             scalar_type_name(samples.dtype()));
    FL_CHECK(samples.dim() == 1 && samples.numel() == index.numel(),
             "embedding_bag: expected per_sample_weights to be 1D and of the same length as indices");
  }
  bool plain = plain_sum(mode, padding);
  int64_t bags = offsets.numel() - int64_t(include_last), n = index.numel();
  // Results: the rows, which bag each index belongs to (a plain sum does not say), the bags' sizes (nor count them), and the places of the
  // maxima, or the sizes again.
  Tensor out = empty(IntView{bags, weight.size(1)}, weight.dtype()), bag_of = empty(IntView{plain ? 0 : n}, DType::Int64);
  Tensor size = empty(IntView{bags}, DType::Int64), last_result = mode == 2 ? empty(IntView{bags, weight.size(1)}, DType::Int64) : empty(IntView{bags}, DType::Int64);
  c.ret(out);
  c.ret(bag_of);
  c.ret(size);
  c.ret(last_result);
  Tensor ends = bag_ends(offsets, index.numel(), include_last, plain);
  const int64_t* at = ends.data<int64_t>();
  if (offsets.numel() > 0) {
    FL_CHECK(at[0] == 0, "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got ", at[0]);
    int64_t last = flat_index(offsets).data<int64_t>()[offsets.numel() - 1];
    FL_CHECK(last <= n, "offsets[-1] can not be greater than input's length ", n, " but got offsets[-1] of ", last);
    for (int64_t k = 0; k < bags; ++k)
      FL_CHECK(at[k] <= at[k + 1], "embedding_bag: offsets must not decrease (got ", at[k], " before ", at[k + 1], ")");
  }
  BagCall b = bag_call(weight, weight.size(0), weight.size(1), index, ends, mode, samples, padding, c.flag(3));
  cpu::BadIndex bad;
  {
    Unlock unlock(double(n) * double(weight.size(1)) * 0.3);
    bad = cpu::embedding_bag(weight.dtype(), b.bag, b.weight.bytes(), out.bytes(), size.data<int64_t>(),
                             mode == 2 ? last_result.data<int64_t>() : nullptr);
  }
  FL_CHECK(!bad, "Index ", bad.position, " of input takes value ", bad.value, " which is not in the valid range [0, ", weight.size(0), ")");
  if (!plain)
    for (int64_t k = 0; k < bags; ++k)
      for (int64_t i = at[k]; i < at[k + 1]; ++i) bag_of.data<int64_t>()[i] = k;
  if (mode == 0) fill_values(size, Value(0));
  if (mode != 2) copy_values(last_result, size);
}

}  // namespace

static Record embedding_bag_backward{
    {.schema = {"_embedding_bag_dense_backward(Tensor grad, Tensor indices, Tensor offsets, int num_weights, bool scale_grad_by_freq, int mode, "
                "Tensor? per_sample_weights, "
                "bool include_last_offset, int padding_idx, Tensor maximum_indices) -> Tensor"},
     .forward =
         [](Call& c) {
           Tensor g = contiguous_of(c.tensor(0)), index = c.tensor(1), most = contiguous_of(c.tensor(9));
           BagCall b = bag_call(Tensor(), c.integer(3), g.size(1), index,
                                bag_ends(c.tensor(2), index.numel(), c.flag(7), plain_sum(c.integer(5), c.integer(8))), c.integer(5), c.optional(6),
                                c.integer(8), c.flag(4));
           Tensor out = empty(IntView{c.integer(3), g.size(1)}, g.dtype());
           c.ret(out);
           {
             Unlock unlock(double(b.bag.n) * double(g.size(1)) * 0.3);
             cpu::embedding_bag_backward(g.dtype(), b.bag, g.bytes(), c.integer(5) == 2 ? most.data<int64_t>() : nullptr, out.bytes());
           }
         },
     .flags = kPrivate}};
static Record embedding_bag_samples_backward{{.schema = {"_embedding_bag_per_sample_weights_backward(Tensor grad, Tensor weight, Tensor indices, "
                                                         "Tensor offsets, bool include_last_offset, int padding_idx) -> Tensor"},
                                              .forward =
                                                  [](Call& c) {
                                                    Tensor g = contiguous_of(c.tensor(0)), index = c.tensor(2);
                                                    const Tensor& weight = c.tensor(1);
                                                    BagCall b = bag_call(weight, weight.size(0), weight.size(1), index,
                                                                         bag_ends(c.tensor(3), index.numel(), c.flag(4), plain_sum(0, c.integer(5))),
                                                                         0, Tensor(), c.integer(5), false);
                                                    Tensor out = empty(IntView{b.bag.n}, g.dtype());
                                                    c.ret(out);
                                                    cpu::embedding_bag_sample_backward(g.dtype(), b.bag, g.bytes(), b.weight.bytes(), out.bytes());
                                                  },
                                              .flags = kPrivate}};

// Each index contributes its bag's gradient, divided by the bag's size for means and times its sample's weight.
static Tensor sparse_bag_gradient(Grad& G, const Tensor& index, const Tensor& offsets) {
  FL_CHECK(!G.arg(3).b, "embedding_bag: scale_grad_by_freq not supported with sparse weights");
  int64_t padding = G.arg(8).i, n = index.numel();
  Tensor ends = bag_ends(offsets, n, G.arg(7).b, false), bag_of = empty(IntView{n}, DType::Int64);
  const int64_t* at = ends.data<int64_t>();
  Tensor flat = flat_index(index), scale = empty(IntView{n}, DType::Float64);
  const int64_t* row = flat.data<int64_t>();
  for (int64_t k = 0; k + 1 < ends.numel(); ++k) {
    int64_t size = 0;
    for (int64_t i = at[k]; i < at[k + 1]; ++i) size += row[i] != padding;
    for (int64_t i = at[k]; i < at[k + 1]; ++i) {
      bag_of.data<int64_t>()[i] = k;
      scale.data<double>()[i] = row[i] == padding ? 0.0 : G.arg(4).i == 1 ? 1.0 / double(size)
                                                                          : 1.0;
    }
  }
  Tensor g = index_select(G.grad(), 0, bag_of);
  if (G.arg(4).i == 1) g = mul(g, unsqueeze(to_dtype(scale, g.dtype()), -1));
  if (G.in(6).defined()) g = mul(g, unsqueeze(G.in(6), -1));
  return sparse_call("embedding", g, flat, G.sizes(0)[0], padding);
}

static Record embedding_bag_private{
    {.schema = {"_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? "
                "per_sample_weights=None, "
                "bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)"},
     .forward = bag_forward,
     .gradient =
         [](Grad& G) {
           if (!G.grad().defined()) return;
           Tensor index = G.in(1), offsets = G.in(2);
           if (G.needs(0)) {
             if (G.arg(5).b) G.set(0, sparse_bag_gradient(G, index, offsets));
             else G.set(0, embedding_bag_backward(G.grad(), index, offsets, G.sizes(0)[0], G.arg(3), G.arg(4), G.in(6), G.arg(7), G.arg(8), G.result(3)));
           }
           if (G.needs(6)) G.set(6, embedding_bag_samples_backward(G.grad(), G.in(0), index, offsets, G.arg(7), G.arg(8)));
         },
     .save = save_in(0) | save_in(1) | save_in(2) | save_in(6) | save_out(3),
     .flags = kFunction}};

static void bag_call_public(Call& c, int64_t padding) {
  std::vector<Tensor> r =
      embedding_bag_private.many(c.tensor(0), c.tensor(1), c.tensor(2), c.arg(3), c.arg(4), c.arg(5), c.arg(6), c.arg(7), padding);
  for (Tensor& t : r) c.ret(t);
}
static Record embedding_bag{{.schema = {"embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
                                        "bool sparse=False, Tensor? per_sample_weights=None, "
                                        "bool include_last_offset=False) -> (Tensor, Tensor, Tensor, Tensor)"},
                             .forward =
                                 [](Call& c) {
                                   bag_call_public(c, -1);
                                 },
                             .flags = kFunction | kComposite,
                             .doc = "Rows of weight summed, averaged or maximised over bags: those of indices[offsets[k]:offsets[k + 1]]."}};
static Record embedding_bag_padding{{.schema = {"embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, "
                                                "int mode, bool sparse, Tensor? per_sample_weights, "
                                                "bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)"},
                                     .forward =
                                         [](Call& c) {
                                           int64_t rows = c.tensor(0).dim() ? c.tensor(0).size(0) : 0, padding = -1;
                                           if (c.has(8)) {
                                             padding = c.integer(8);
                                             FL_CHECK(padding >= -rows && padding < rows, "padding_idx must be within the number of embeddings, -",
                                                      rows, " through ", rows - 1, ", but got ", padding);
                                             if (padding < 0) padding += rows;
                                           }
                                           bag_call_public(c, padding);
                                         },
                                     .flags = kFunction | kComposite,
                                     .doc = "Rows of weight summed, averaged or maximised over bags, without those of the index padding_idx."}};

}  // namespace fl::ops
