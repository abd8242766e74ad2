// The driver of the reductions: sorts and joins dimensions, walks the array by rows or by columns, converts blocks of
// elements to the compute type, and splits long reductions into chunks that depend on the sizes only (never on the
// threads).
#include <cstdlib>

#include "base/parallel.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/reduce_fold.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int64_t kChunk = 65536;     // elements of a partial result
constexpr int64_t kEnoughTasks = 64;  // results that keep all threads busy without splitting any
constexpr int kBufferBytes = 16384;   // of converted elements
constexpr int kBatch = 64;            // states at a time
constexpr int kLargestState = 32;     // bytes

struct Dim {
  int64_t size, in, out, out2;
};

struct Job {
  const Fold* fold;
  FoldContext context;
  Loop prepare;             // what follows the conversion in place (|z|), or null
  DType source, converted;  // converted: the type before `prepare`
  bool direct;              // elements are used where they lie
  int64_t source_size, element_size, converted_size;
  int kept_dims, reduced_dims;
  Dim kept[kMaxReduceDims], reduced[kMaxReduceDims];
  int64_t results, n;
  const char* in;
  char *out, *out2;
  double cost;  // ns per element
};

// Elements in the compute type: where they lie, or converted into `buffer` (count elements fit).
FL_FN const char* fetch(const Job& job, const char* p, int64_t stride, int64_t count, char* buffer) {
  if (job.direct && (stride == job.source_size || count == 1)) return p;
  char* const ptrs[2] = {buffer, (char*)p};
  const int64_t strides[2] = {job.converted_size, stride};
  pointwise_kernels.cast[size_t(job.source)][size_t(job.converted)](count, ptrs, strides, nullptr);
  if (job.prepare) {
    char* const same[2] = {buffer, buffer};
    const int64_t steps[2] = {job.element_size, strides[0]};
    job.prepare(count, same, steps, nullptr);
  }
  return buffer;
}

// Byte offset of position `index` (row-major) of dimensions [0, count).
FL_FN int64_t offset_of(const Dim* dims, int count, int64_t index, int64_t Dim::* stride) {
  int64_t offset = 0;
  for (int d = count - 1; d >= 0 && index; --d) {
    offset += index % dims[d].size * (dims[d].*stride);
    index /= dims[d].size;
  }
  return offset;
}

// Elements [begin, end) of one result's reduced positions, in row-major order, into a state.
void fold_range(const Job& job, const char* base, int64_t begin, int64_t end, char* state, char* buffer) {
  if (begin == end) return;
  if (job.reduced_dims == 0) {
    job.fold->rows(fetch(job, base, job.source_size, 1, buffer), 0, 1, 1, state, begin, job.context);
    return;
  }
  const Dim& inner = job.reduced[job.reduced_dims - 1];
  const int64_t room = job.direct && inner.in == job.source_size ? INT64_MAX : kBufferBytes / job.converted_size;
  while (begin < end) {
    int64_t outer = begin / inner.size, i = begin - outer * inner.size;
    const char* row = base + offset_of(job.reduced, job.reduced_dims - 1, outer, &Dim::in) + i * inner.in;
    int64_t run = inner.size - i < end - begin ? inner.size - i : end - begin;
    int64_t filled = 0;
    if (run < room && room != INT64_MAX && run < 256) {
      // Short rows: several of them into one buffer.
      for (;;) {
        char* place = buffer + filled * job.element_size;
        const char* x = fetch(job, row, inner.in, run, place);
        if (x != place) __builtin_memcpy(place, x, size_t(run * job.element_size));
        filled += run;
        if (filled >= end - begin || room - filled < inner.size) break;
        row = base + offset_of(job.reduced, job.reduced_dims - 1, ++outer, &Dim::in);
        run = inner.size < end - begin - filled ? inner.size : end - begin - filled;
      }
      job.fold->rows(buffer, 0, 1, filled, state, begin, job.context);
    } else {
      while (filled < run) {
        int64_t k = run - filled < room ? run - filled : room;
        const char* x = fetch(job, row + filled * inner.in, inner.in, k, buffer);
        job.fold->rows(x, 0, 1, k, state, begin + filled, job.context);
        filled += k;
      }
    }
    begin += filled;
  }
}

Results results_at(const Job& job, int64_t index) {
  const Dim* inner = job.kept_dims ? &job.kept[job.kept_dims - 1] : nullptr;
  return {job.out + offset_of(job.kept, job.kept_dims, index, &Dim::out), inner ? inner->out : 0,
          job.out2 ? job.out2 + offset_of(job.kept, job.kept_dims, index, &Dim::out2) : nullptr,
          inner ? inner->out2 : 0};
}

// Each result by itself; long ones in chunks.
void by_rows(const Job& job) {
  const Fold& fold = *job.fold;
  const int64_t chunks = job.results >= kEnoughTasks || job.n < 2 * kChunk ? 1 : (job.n + kChunk - 1) / kChunk;
  const int64_t inner_size = job.kept_dims ? job.kept[job.kept_dims - 1].size : 1;
  const int64_t inner_stride = job.kept_dims ? job.kept[job.kept_dims - 1].in : 0;
  const bool whole_rows = job.direct && job.reduced_dims == 1 && job.reduced[0].in == job.source_size;
  if (chunks == 1) {
    auto part = [&](int64_t begin, int64_t end) {
      alignas(64) char buffer[kBufferBytes];
      alignas(64) char states[kBatch * kLargestState];
      while (begin < end) {
        int64_t i = inner_size == 1 ? 0 : begin % inner_size, run = inner_size - i;
        if (run > end - begin) run = end - begin;
        if (run > kBatch) run = kBatch;
        const char* base = job.in + offset_of(job.kept, job.kept_dims, begin, &Dim::in);
        fold.init(states, run);
        if (whole_rows) {
          fold.rows(base, inner_stride, run, job.n, states, 0, job.context);
        } else {
          for (int64_t k = 0; k < run; ++k)
            fold_range(job, base + k * inner_stride, 0, job.n, states + k * fold.state_size, buffer);
        }
        fold.finish(states, run, results_at(job, begin), job.context);
        begin += run;
      }
    };
    const double ns = job.cost * double(job.n) + 5;
    if (ns * double(job.results) < 1000)
      part(0, job.results);
    else
      parallel_for(job.results, ns, part);
    return;
  }
  const int size = fold.state_size;
  HeapArray<char> memory(job.results * chunks * size);
  char* partial = memory.data;
  parallel_for(job.results * chunks, job.cost * double(kChunk), [&](int64_t begin, int64_t end) {
    alignas(64) char buffer[kBufferBytes];
    for (; begin < end; ++begin) {
      int64_t result = begin / chunks, from = begin % chunks * kChunk,
              to = from + kChunk < job.n ? from + kChunk : job.n;
      const char* base = job.in + offset_of(job.kept, job.kept_dims, result, &Dim::in);
      fold.init(partial + begin * size, 1);
      fold_range(job, base, from, to, partial + begin * size, buffer);
    }
  });
  for (int64_t r = 0; r < job.results; ++r) {
    char* total = partial + r * chunks * size;
    for (int64_t c = 1; c < chunks; ++c) fold.merge(total, total + c * size, 1);
    fold.finish(total, 1, results_at(job, r), job.context);
  }
}

// Rows [begin, end) of the reduced positions of the results [column, column + width) of one inner kept dimension.
void fold_tile(const Job& job, const char* base, int64_t width, int64_t begin, int64_t end, char* states,
               char* buffer) {
  const Fold& fold = *job.fold;
  const Dim& columns = job.kept[job.kept_dims - 1];
  const int64_t row_bytes = width * job.element_size;
  const int64_t room = kBufferBytes / (width * job.converted_size);  // rows that fit the buffer
  while (begin < end) {
    const Dim* inner = job.reduced_dims ? &job.reduced[job.reduced_dims - 1] : nullptr;
    int64_t size = inner ? inner->size : 1, outer = begin / size, i = begin - outer * size;
    int64_t step = inner ? inner->in : 0;
    const char* rows = base + offset_of(job.reduced, job.reduced_dims - 1, outer, &Dim::in) + i * step;
    int64_t run = size - i < end - begin ? size - i : end - begin;
    if (job.direct && columns.in == job.source_size) {
      fold.columns(rows, step, run, width, states, begin, job.context);
      begin += run;
      continue;
    }
    int64_t filled = 0;
    for (;;) {  // gather rows, across the outer reduced dimensions too
      for (int64_t k = 0; k < run && filled < room; ++k, ++filled) {
        char* place = buffer + filled * row_bytes;
        const char* x = fetch(job, rows + k * step, columns.in, width, place);
        if (x != place) __builtin_memcpy(place, x, size_t(row_bytes));
      }
      if (filled >= room || filled >= end - begin) break;
      rows = base + offset_of(job.reduced, job.reduced_dims - 1, ++outer, &Dim::in);
      run = size < end - begin - filled ? size : end - begin - filled;
    }
    fold.columns(buffer, row_bytes, filled, width, states, begin, job.context);
    begin += filled;
  }
}

// Neighbouring results together, one vector lane each.
void by_columns(const Job& job) {
  const Fold& fold = *job.fold;
  const Dim& columns = job.kept[job.kept_dims - 1];
  const int size = fold.state_size;
  const int64_t widest =
      kBufferBytes / 8 / job.converted_size < kColumnTile ? kBufferBytes / 8 / job.converted_size : kColumnTile;
  const int64_t limit = job.direct && columns.in == job.source_size ? kColumnTile : widest;
  const int64_t width = columns.size < limit ? columns.size : limit;
  const int64_t tiles = (columns.size + width - 1) / width, outer = job.results / columns.size;
  int64_t chunk = job.n, chunks = 1;
  if (outer * tiles < kEnoughTasks && job.n * width >= 2 * kChunk) {
    chunk = kChunk / width < 128 ? 128 : kChunk / width;
    chunks = (job.n + chunk - 1) / chunk;
  }
  HeapArray<char> memory;  // [outer][chunks][columns]
  if (chunks > 1) memory.reset(outer * chunks * columns.size * size);
  char* partial = memory.data;
  auto finish = [&](int64_t o, int64_t from, int64_t count, char* s) {
    fold.finish(s, count, results_at(job, o * columns.size + from), job.context);
  };
  parallel_for(outer * tiles * chunks, job.cost * double(chunk * width), [&](int64_t begin, int64_t end) {
    alignas(64) char buffer[kBufferBytes];
    alignas(64) char states[kColumnTile * kLargestState];
    for (; begin < end; ++begin) {
      int64_t tile = begin % tiles, c = begin / tiles % chunks, o = begin / tiles / chunks;
      int64_t from = tile * width, count = columns.size - from < width ? columns.size - from : width;
      const char* base = job.in + offset_of(job.kept, job.kept_dims, o * columns.size + from, &Dim::in);
      char* s = partial ? partial + ((o * chunks + c) * columns.size + from) * size : states;
      int64_t to = (c + 1) * chunk < job.n ? (c + 1) * chunk : job.n;
      fold.init(s, count);
      fold_tile(job, base, count, c * chunk, to, s, buffer);
      if (chunks == 1) finish(o, from, count, s);
    }
  });
  if (chunks > 1) {
    for (int64_t o = 0; o < outer; ++o) {
      char* total = partial + o * chunks * columns.size * size;
      for (int64_t c = 1; c < chunks; ++c) fold.merge(total, total + c * columns.size * size, columns.size);
      finish(o, 0, columns.size, total);
    }
  }
}

// Narrow contiguous columns ([N, 3] over N): several rows side by side become one wide row, whose parts are joined at
// the end.
bool by_narrow_columns(const Job& job) {
  if (job.kept_dims != 1 || job.reduced_dims != 1) return false;
  const int64_t c = job.kept[0].size;
  if (c > 64 || job.kept[0].in != job.source_size || job.reduced[0].in != c * job.source_size) return false;
  const int64_t side = 480 / c, rows = job.n / side;
  if (rows < 4) return false;
  const Fold& fold = *job.fold;
  const int64_t width = side * c, chunk = kChunk / width, chunks = (rows + chunk - 1) / chunk;
  const int size = fold.state_size;
  const int64_t converted_rows = kBufferBytes / (width * job.converted_size);
  HeapArray<char> memory(chunks * width * size);
  char* states = memory.data;
  auto add = [&](const char* x, int64_t count, int64_t w, char* s, char* buffer) {
    if (job.direct) {
      fold.columns(x, w * job.source_size, count, w, s, 0, job.context);
      return;
    }
    for (int64_t r = 0; r < count; r += converted_rows) {
      int64_t k = count - r < converted_rows ? count - r : converted_rows;
      fetch(job, x + r * w * job.source_size, job.source_size, k * w, buffer);
      fold.columns(buffer, w * job.element_size, k, w, s, 0, job.context);
    }
  };
  parallel_for(chunks, job.cost * double(kChunk), [&](int64_t begin, int64_t end) {
    alignas(64) char buffer[kBufferBytes];
    for (; begin < end; ++begin) {
      char* s = states + begin * width * size;
      int64_t from = begin * chunk, to = from + chunk < rows ? from + chunk : rows;
      fold.init(s, width);
      add(job.in + from * width * job.source_size, to - from, width, s, buffer);
      int64_t rest = job.n - rows * side;
      if (begin == chunks - 1 && rest) add(job.in + rows * width * job.source_size, 1, rest * c, s, buffer);
    }
  });
  for (int64_t i = 1; i < chunks; ++i) fold.merge(states, states + i * width * size, width);
  for (int64_t i = 1; i < side; ++i) fold.merge(states, states + i * c * size, c);
  fold.finish(states, c, results_at(job, 0), job.context);
  return true;
}

template <class T>
void magnitudes(int64_t n, char* const* ptrs, const int64_t*, const void*) {  // complex to real, in place
  const T* z = (const T*)ptrs[1];
  T* out = (T*)ptrs[0];
  for (int64_t i = 0; i < n; ++i)
    out[i] = sizeof(T) == 4 ? T(__builtin_hypotf(float(z[2 * i]), float(z[2 * i + 1])))
                            : T(__builtin_hypot(double(z[2 * i]), double(z[2 * i + 1])));
}

// The type arithmetic on `t` happens in.
DType arithmetic_type(DType t) {
  if (is_reduced_float(t)) return DType::Float32;
  return t == DType::Bool || is_integral(t) ? DType::Int64 : t;
}

bool positional(Reduce op) { return op >= Reduce::Argmax && op <= Reduce::Min; }

bool adds(Reduce op) { return op <= Reduce::Prod || op == Reduce::CountNonzero; }

void choose(Job& job, Reduce op, DType in, DType out) {
  DType type;
  switch (op) {
    case Reduce::Sum:
    case Reduce::Nansum:
    case Reduce::Mean:
    case Reduce::Prod:
      if (out == DType::Bool) {
        choose(job, op == Reduce::Prod ? Reduce::All : Reduce::Any, in, out);
        return;
      }
      type = arithmetic_type(out);
      if (op != Reduce::Prod && type == DType::Int64 && (in == DType::Bool || in == DType::UInt8)) type = in;
      job.fold = sum_fold(op, type, job.context);
      break;
    case Reduce::Any:
    case Reduce::All:
      type = DType::Bool;
      job.fold = extremum_fold(op, type);
      break;
    case Reduce::CountNonzero:
      type = DType::Bool;
      job.fold = sum_fold(Reduce::Sum, type, job.context);
      break;
    case Reduce::Norm:
      type = arithmetic_type(out);
      job.fold = sum_fold(op, type, job.context);
      if (is_complex(in)) {
        type = complex_type(type);
        job.prepare = type == DType::Complex64 ? magnitudes<float> : magnitudes<double>;
      }
      break;
    case Reduce::Var:
    case Reduce::Std:
      type = is_complex(in) ? DType::Complex128 : arithmetic_type(in);
      job.fold = statistics_fold(op, type);
      break;
    case Reduce::Logsumexp:
      type = arithmetic_type(in);
      job.fold = statistics_fold(op, type);
      break;
    default:
      type = is_reduced_float(in) ? DType::Float32 : in;
      job.fold = extremum_fold(op, type);
      break;
  }
  job.source = in;
  job.converted = type;
  job.element_size = job.converted_size = int64_t(item_size(type));
  job.source_size = int64_t(item_size(in));
  job.direct = in == type && !job.prepare;
  if (job.prepare && op == Reduce::Norm) job.element_size = int64_t(item_size(job.fold->compute));
  bool slow =
      op == Reduce::Logsumexp || (op == Reduce::Norm && job.context.p != 1 && job.context.p != 2) || is_complex(in);
  job.cost = double(item_size(in)) * 0.03 + (job.direct ? 0 : 0.2) + (slow ? 1 : 0);
}

// Dimensions of size > 1, split and, where the order is free, sorted by stride and joined.
void arrange(Job& job, const ReduceDesc& d, const int64_t* out_strides, bool keep_order) {
  job.kept_dims = job.reduced_dims = 0;
  job.results = job.n = 1;
  auto magnitude = [](int64_t s) {
    return s < 0 ? -s : s;
  };
  for (int k = 0; k < d.ndim; ++k) {
    bool reduced = d.reduced >> k & 1;
    (reduced ? job.n : job.results) *= d.sizes[k];
    if (d.sizes[k] == 1) continue;
    Dim dim = {d.sizes[k], d.in_strides[k], reduced ? 0 : out_strides[k], reduced || !job.out2 ? 0 : d.out2_strides[k]};
    Dim* list = reduced ? job.reduced : job.kept;
    int& count = reduced ? job.reduced_dims : job.kept_dims;
    int at = count++;
    if (!(reduced && keep_order))
      for (; at > 0 && magnitude(list[at - 1].in) < magnitude(dim.in); --at) list[at] = list[at - 1];
    list[at] = dim;
  }
  auto join = [](Dim* list, int& count) {
    int kept = 0;
    for (int k = 1; k < count; ++k) {
      Dim &a = list[kept], &b = list[k];
      if (a.in == b.in * b.size && a.out == b.out * b.size && a.out2 == b.out2 * b.size)
        a = {a.size * b.size, b.in, b.out, b.out2};
      else
        list[++kept] = b;
    }
    if (count) count = kept + 1;
  };
  join(job.kept, job.kept_dims);
  join(job.reduced, job.reduced_dims);
}

void run(const ReduceDesc& d, Reduce op, char* out, char* out2, const int64_t* out_strides) {
  Job job;
  job.in = d.in;
  job.out = out;
  job.out2 = out2;
  job.prepare = nullptr;
  arrange(job, d, out_strides, positional(op));
  const DType out2_dtype = d.out2_dtype != DType::None ? d.out2_dtype : d.in_dtype;
  job.context = {op, d.params[0], d.params[0], job.n, d.out_dtype, out2_dtype};
  choose(job, op, d.in_dtype, d.out_dtype);
  if (job.results == 0) return;
  if (job.n == 0) {
    job.reduced_dims = 0;
    by_rows(job);
    return;
  }
  if (job.kept_dims) {
    const Dim& columns = job.kept[job.kept_dims - 1];
    int64_t across = columns.in < 0 ? -columns.in : columns.in, along = INT64_MAX;
    for (int k = 0; k < job.reduced_dims; ++k) {
      int64_t s = job.reduced[k].in < 0 ? -job.reduced[k].in : job.reduced[k].in;
      if (s < along) along = s;
    }
    // Many results of a few elements each: gathered, so that neighbours share vectors.
    const bool tiny = job.n <= (positional(op) ? 32 : 8) && job.results >= 64 && !(adds(op) && job.direct);
    if (tiny) {
      by_columns(job);
      return;
    }
    if (across < along) {
      if (!positional(op) && by_narrow_columns(job)) return;
      if (columns.size >= 8 || job.n <= 8) {
        by_columns(job);
        return;
      }
    }
  }
  by_rows(job);
}

void reduce(const ReduceDesc& d) {
  if (d.op == Reduce::Aminmax) {
    run(d, Reduce::Amin, d.out, nullptr, d.out_strides);
    run(d, Reduce::Amax, d.out2, nullptr, d.out2_strides);
  } else {
    run(d, d.op, d.out, d.out2, d.out_strides);
  }
}

}  // namespace

extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {reduce};

}  // namespace fl::cpu::FL_ISA
