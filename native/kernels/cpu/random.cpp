// The generator and the fills whose elements take a fixed number of draws: uniform, normal, integers, Bernoulli,
// permutations.
#include "kernels/cpu/random.h"

#include <cmath>
#include <cstring>
#include <random>

#include "base/interrupt.h"
#include "kernels/cpu/element.h"
#include "kernels/cpu/random_kernels.h"

namespace fl {

void Generator::manual_seed(uint64_t seed) {
  initial_seed_ = seed;
  state_[0] = uint32_t(seed);
  for (uint32_t i = 1; i < 624; i++) state_[i] = 1812433253u * (state_[i - 1] ^ state_[i - 1] >> 30) + i;
  position_ = 624;
  fresh_ = true;
  has_normal_ = has_normal_float_ = false;
  next_normal_ = 0, next_normal_float_ = 0;
}

uint64_t Generator::seed() {
  std::random_device entropy;
  uint64_t value = (uint64_t(entropy()) << 32 | entropy()) & 0x1fffffffffffff;  // exact in a double, as users print it
  manual_seed(value);
  return value;
}

void Generator::refill() {
  check_interrupt();  // before anything changes
  cpu::random_kernels().refill(state_, output_);
  position_ = 0;
  fresh_ = false;
}

void Generator::random_block(uint32_t* out, int64_t n) {
  while (n > 0) {
    if (position_ == 624) refill();
    int64_t take = n < 624 - position_ ? n : 624 - position_;
    std::memcpy(out, output_ + position_, size_t(take) * 4);
    position_ += int(take), out += take, n -= take;
  }
}

double Generator::normal(double mean, double std) {
  if (has_normal_) {
    has_normal_ = false;
    return __builtin_fma(next_normal_, std, mean);
  }
  double u1 = uniform53(), u2 = uniform53();
  double radius = std::sqrt(-2.0 * std::log1p(-u2)), angle = 2.0 * M_PI * u1;
  next_normal_ = radius * std::sin(angle);
  has_normal_ = true;
  return __builtin_fma(radius * std::cos(angle), std, mean);
}

namespace {
// The byte layout of PyTorch's CPU generator state.
struct StateBytes {
  uint64_t seed;
  int32_t left, seeded;  // outputs left in the block, plus one
  uint64_t next;
  uint64_t state[624];
  double normal_x, normal_y, normal_rho;  // normal_y is the waiting double normal
  int32_t normal_is_valid, padding;
  float next_float_normal;
  uint8_t float_normal_is_valid, padding2[3];
};
static_assert(sizeof(StateBytes) == Generator::kStateBytes);
}  // namespace

void Generator::get_state(void* out) const {
  StateBytes s = {};
  s.seed = initial_seed_;
  s.left = fresh_ ? 1 : 625 - position_;
  s.seeded = 1;
  s.next = fresh_ ? 0 : uint64_t(position_);
  for (int i = 0; i < 624; i++) s.state[i] = state_[i];
  if (has_normal_) s.normal_is_valid = 1, s.normal_y = next_normal_;
  if (has_normal_float_) s.float_normal_is_valid = 1, s.next_float_normal = next_normal_float_;
  std::memcpy(out, &s, sizeof s);
}

bool Generator::set_state(const void* in) {
  StateBytes s;
  std::memcpy(&s, in, sizeof s);
  if (!s.seeded || s.left < 1 || s.left > 624 || s.next > 624) return false;
  initial_seed_ = s.seed;
  for (int i = 0; i < 624; i++) {
    uint32_t y = state_[i] = uint32_t(s.state[i]);
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    output_[i] = y ^ y >> 18;
  }
  fresh_ = s.left == 1 && s.next == 0;
  position_ = s.left == 1 ? 624 : int(s.next);
  has_normal_ = s.normal_is_valid, next_normal_ = has_normal_ ? s.normal_y : 0;
  has_normal_float_ = s.float_normal_is_valid, next_normal_float_ = has_normal_float_ ? s.next_float_normal : 0;
  return true;
}

namespace cpu {
namespace {

constexpr int64_t kChunk = 1024;  // elements drawn at a time

// f(first, count, raw) over chunks of n elements of `draws` outputs each.
template <class F>
void in_chunks(Generator& g, int64_t n, int draws, const F& f) {
  alignas(64) uint32_t raw[2 * kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    int64_t m = n - i < kChunk ? n - i : kChunk;
    g.random_block(raw, m * draws);
    f(i, m, (const uint32_t*)raw);
  }
}

inline uint64_t pair(const uint32_t* raw, int64_t i) { return uint64_t(raw[2 * i]) << 32 | raw[2 * i + 1]; }

template <class T>
void normal_blocks(Generator& g, T* out, int64_t n, double mean, double std) {
  if constexpr (std::is_same_v<T, double>) {
    auto transform = [=](double* p) {
      for (int i = 0; i < 8; i++) {
        double radius = std::sqrt(-2.0 * std::log(1.0 - p[i])), angle = 2.0 * M_PI * p[i + 8];
        p[i] = __builtin_fma(radius * std::cos(angle), std, mean);
        p[i + 8] = __builtin_fma(radius * std::sin(angle), std, mean);
      }
    };
    fill_uniform(g, DType::Float64, out, n, 0, 1);
    for (int64_t i = 0; i + 16 <= n; i += 16) transform(out + i);
    if (n % 16) {  // the last 16 are drawn again
      fill_uniform(g, DType::Float64, out + n - 16, 16, 0, 1);
      transform(out + n - 16);
    }
  } else if constexpr (std::is_same_v<T, float>) {
    auto& kernels = random_kernels();
    int64_t whole = n / 16 * 16;
    in_chunks(g, n, 1, [&](int64_t first, int64_t m, const uint32_t* raw) {
      kernels.uniform_float(raw, out + first, m, 1.0f, 0.0f);
      int64_t blocks = first + m < whole ? m : whole - first;
      kernels.normal_float(out + first, blocks, float(mean), float(std));
    });
    if (n % 16) {
      fill_uniform(g, DType::Float32, out + n - 16, 16, 0, 1);
      kernels.normal_float(out + n - 16, 16, float(mean), float(std));
    }
  } else {
    // Reduced floats: the whole blocks come from float ones; the rest is a block of its own.
    alignas(64) float block[kChunk];
    int64_t whole = n / 16 * 16;
    for (int64_t i = 0; i < whole; i += kChunk) {
      int64_t m = whole - i < kChunk ? whole - i : kChunk;
      normal_blocks(g, block, m, mean, std);
      for (int64_t k = 0; k < m; k++) out[i + k] = T(block[k]);
    }
    if (n % 16) {
      normal_blocks(g, block, 16, mean, std);
      for (int64_t k = 0; k < 16; k++) out[n - 16 + k] = T(block[k]);
    }
  }
}

template <class T>
T from_bits(uint64_t value) {  // an integer drawn as 64-bit two's complement
  if constexpr (std::is_same_v<T, bool>) return value != 0;
  else if constexpr (kIsReduced<T>) return T(float(int64_t(value)));
  else if constexpr (kIsFloating<T>) return T(int64_t(value));
  else return T(value);
}

}  // namespace

void fill_uniform(Generator& g, DType type, void* out_, int64_t n, double from, double to) {
  auto& kernels = random_kernels();
  if (type == DType::Float64) {
    in_chunks(g, n, 2, [&](int64_t first, int64_t m, const uint32_t* raw) {
      kernels.uniform_double(raw, (double*)out_ + first, m, to - from, from);
    });
    return;
  }
  float a = float(from), b = float(to);
  if (type == DType::Float32) {
    in_chunks(g, n, 1, [&](int64_t first, int64_t m, const uint32_t* raw) {
      kernels.uniform_float(raw, (float*)out_ + first, m, b - a, a);
    });
    return;
  }
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    T* out = (T*)out_;
    float reach = float(T(b));
    T first_value = T(a);
    float block[kChunk];
    in_chunks(g, n, 1, [&](int64_t first, int64_t m, const uint32_t* raw) {
      kernels.uniform_float(raw, block, m, b - a, a);
      for (int64_t i = 0; i < m; i++) {
        T x = T(block[i]);
        out[first + i] = float(x) >= reach ? first_value : x;  // rounding must not reach the open end
      }
    });
  });
}

void fill_normal(Generator& g, DType type, void* out, int64_t n, double mean, double std, bool contiguous) {
  if (is_complex(type)) {
    fill_normal(g, real_type(type), out, 2 * n, mean, std / std::sqrt(2.0), contiguous);
    return;
  }
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    if (n >= 16 && contiguous) return normal_blocks(g, (T*)out, n, mean, std);
    for (int64_t i = 0; i < n; i++) ((T*)out)[i] = T(compute_t<T>(g.normal(mean, std)));
  });
}

void fill_random(Generator& g, DType type, void* out_, int64_t n) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    T* out = (T*)out_;
    constexpr bool wide = sizeof(T) == 8;
    in_chunks(g, n, wide ? 2 : 1, [&](int64_t first, int64_t m, const uint32_t* raw) {
      for (int64_t i = 0; i < m; i++) {
        if constexpr (std::is_same_v<T, double>) out[first + i] = double(int64_t(pair(raw, i) % ((1ull << 53) + 1)));
        else if constexpr (std::is_same_v<T, float>) out[first + i] = float(raw[i] % ((1u << 24) + 1));
        else if constexpr (std::is_same_v<T, Half>) out[first + i] = Half(float(raw[i] % ((1u << 11) + 1)));
        else if constexpr (std::is_same_v<T, BFloat16>) out[first + i] = BFloat16(float(raw[i] % ((1u << 8) + 1)));
        else if constexpr (std::is_same_v<T, bool>) out[first + i] = raw[i] & 1;
        else if constexpr (wide) out[first + i] = T(pair(raw, i) & uint64_t(highest<T>()));
        else out[first + i] = T(raw[i] & uint32_t(highest<T>()));
      }
    });
  });
}

namespace {
// Moves the ends of [from, to) inwards to numbers the floating type holds, where rounding could pass them.
template <class T>
void representable_range(uint64_t& range, int64_t& from) {
  constexpr int digits = std::is_same_v<T, Half> ? 11 : std::is_same_v<T, BFloat16> ? 8
                                                    : sizeof(T) == 4                ? 24
                                                                                    : 53;
  auto rounded = [](int64_t x) {
    return int64_t(compute_t<T>(T(compute_t<T>(x))));
  };
  auto spacing = [](int64_t x) {
    int shift = 63 - __builtin_clzll(uint64_t(x < 0 ? -x : x) | 1) - (digits - 1);
    return shift > 0 ? int64_t(1) << shift : int64_t(1);
  };
  int64_t to = from + int64_t(range), above = rounded(from + 1), below = rounded(to - 1);
  if (above < from) from = above + spacing(from + 1);
  if (below >= to) to = below - spacing(to - 1);
  range = uint64_t(to - from);
}
}  // namespace

void fill_random_range(Generator& g, DType type, void* out_, int64_t n, uint64_t range, int64_t from) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    T* out = (T*)out_;
    if constexpr (kIsFloating<T>) {
      if (range) representable_range<T>(range, from);
    }
    uint64_t base = range ? uint64_t(from) : 0;  // the full range needs no offset
    // From 2^28 on, 64 bits keep the modulo's skew small.
    if (range == 0 || range >= 1ull << 28) {
      in_chunks(g, n, 2, [&](int64_t first, int64_t m, const uint32_t* raw) {
        for (int64_t i = 0; i < m; i++) {
          uint64_t x = pair(raw, i);
          out[first + i] = from_bits<T>((range ? x % range : x) + base);
        }
      });
    } else {
      uint32_t r = uint32_t(range);
      in_chunks(g, n, 1, [&](int64_t first, int64_t m, const uint32_t* raw) {
        for (int64_t i = 0; i < m; i++) out[first + i] = from_bits<T>(uint64_t(raw[i] % r) + base);
      });
    }
  });
}

void randperm(Generator& g, DType type, void* out_, int64_t n) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    T* out = (T*)out_;
    in_blocks(n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) out[i] = from_bits<T>(uint64_t(i));
    });
    bool wide = n >= int64_t(0xffffffffu / 20);
    for (int64_t i = 0; i + 1 < n; i++) {
      int64_t z = wide ? int64_t(g.random64() % uint64_t(n - i)) : int64_t(g.random() % uint32_t(n - i));
      T t = out[i];
      out[i] = out[i + z], out[i + z] = t;
    }
  });
}

namespace {
// One byte an element: whether a 53-bit uniform is below p. Compared as integers, which is exact.
template <class F>
void bernoulli_bytes(Generator& g, int64_t n, double p, const F& f) {
  uint64_t threshold = p >= 1 ? 1ull << 53 : p > 0 ? uint64_t(std::ceil(p * 0x1p53))
                                                   : 0;
  uint8_t hit[kChunk];
  in_chunks(g, n, 2, [&](int64_t first, int64_t m, const uint32_t* raw) {
    random_kernels().below(raw, hit, m, threshold);
    f(first, m, (const uint8_t*)hit);
  });
}
}  // namespace

void fill_bernoulli(Generator& g, DType type, void* out_, int64_t n, double p) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    T* out = (T*)out_;
    const T values[2] = {T(0), T(1)};
    bernoulli_bytes(g, n, p, [&](int64_t first, int64_t m, const uint8_t* hit) {
      for (int64_t i = 0; i < m; i++) out[first + i] = values[hit[i]];
    });
  });
}

int64_t fill_bernoulli_tensor(Generator& g, DType out_type, void* out_, DType p_type, const void* p_, int64_t n) {
  return by_floating_type(p_type, [&](auto tag) -> int64_t {
    using P = decltype(tag);
    const P* p = (const P*)p_;
    for (int64_t i = 0; i < n; i++) {
      double x = double(compute_t<P>(p[i]));
      if (!(x >= 0 && x <= 1)) return i;
    }
    by_real_type(out_type, [&](auto out_tag) {
      using T = decltype(out_tag);
      T* out = (T*)out_;
      const T values[2] = {T(0), T(1)};
      constexpr bool wide = std::is_same_v<P, double>;
      in_chunks(g, n, wide ? 2 : 1, [&](int64_t first, int64_t m, const uint32_t* raw) {
        for (int64_t i = 0; i < m; i++) {
          bool hit;
          if constexpr (wide) hit = double(pair(raw, i) & ((1ull << 53) - 1)) * 0x1p-53 < p[first + i];
          else hit = float(raw[i] & 0xffffff) * 0x1p-24f < float(p[first + i]);
          out[first + i] = values[hit];
        }
      });
    });
    return -1;
  });
}

void fill_dropout(Generator& g, DType type, void* out_, int64_t n, double keep, double scale) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    T* out = (T*)out_;
    const T values[2] = {T(0), T(compute_t<T>(scale))};
    bernoulli_bytes(g, n, keep, [&](int64_t first, int64_t m, const uint8_t* hit) {
      for (int64_t i = 0; i < m; i++) out[first + i] = values[hit[i]];
    });
  });
}

}  // namespace cpu
}  // namespace fl
