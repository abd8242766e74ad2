// Random numbers: the Mersenne Twister of every CPU stream, its state, and fills that reproduce PyTorch's streams.
//
// Fills write n contiguous elements in order. For a tensor that is not contiguous, fill a temporary of the dimensions
// sorted by decreasing stride (memory order: PyTorch's iterator visits a transposed tensor by memory, not by index) and
// copy; and pass contiguous = false to fill_normal, whose contiguous stream of 16 or more numbers differs. Functions
// with a result of their own (bernoulli(p), poisson, binomial, _standard_gamma, rrelu) make it row-major whatever their
// input's strides.
#pragma once
#include <cstdint>

#include "tensor/dtype.h"

namespace fl {

class Generator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721ull;  // of a new generator, as PyTorch's
  static constexpr int64_t kStateBytes = 5056;                 // get_state / set_state, PyTorch's byte layout
  explicit Generator(uint64_t seed = kDefaultSeed) { manual_seed(seed); }

  void manual_seed(uint64_t seed);  // also forgets cached normals
  uint64_t seed();                  // seeds from the system's entropy, returns the seed
  uint64_t initial_seed() const { return initial_seed_; }
  void get_state(void* out) const;  // kStateBytes bytes
  bool set_state(const void* in);   // false (and unchanged) where the bytes are no valid state

  uint32_t random() {  // next 32-bit output
    if (position_ == 624) refill();
    return output_[position_++];
  }
  uint64_t random64() {  // two outputs, the first is the high half
    uint64_t high = random();
    return high << 32 | random();
  }
  double uniform53() { return double(random64() & ((1ull << 53) - 1)) * 0x1p-53; }  // [0, 1)
  float uniform24() { return float(random() & 0xffffff) * 0x1p-24f; }               // [0, 1)
  double normal(double mean = 0,
                double std = 1);                // Box-Muller in double; the second of each pair waits for the next call
  void random_block(uint32_t* out, int64_t n);  // the next n 32-bit outputs

 private:
  void refill();
  uint32_t state_[624];
  uint32_t output_[624];  // tempered
  int position_ = 624;    // next entry of output_; 624: none left
  bool fresh_ = true;     // seeded and nothing drawn since: only the bytes of get_state tell
  uint64_t initial_seed_ = 0;
  bool has_normal_ = false, has_normal_float_ = false;  // the float one is never made here, only kept for set_state
  double next_normal_ = 0;
  float next_normal_float_ = 0;
};

namespace cpu {

// Floating types. uniform_(from, to).
void fill_uniform(Generator&, DType, void* out, int64_t n, double from, double to);
// Floating types and complex (whose parts get std / sqrt(2)). normal_(mean, std). `contiguous`: whether the destination
// tensor is.
void fill_normal(Generator&, DType, void* out, int64_t n, double mean, double std, bool contiguous = true);
// normal(Tensor mean, Tensor std): std normals by fill_normal(0, 1), then the caller computes out * std + mean.

// Every type but complex. random_(): the type's whole range of exactly representable integers.
void fill_random(Generator&, DType, void* out, int64_t n);
// Every type but complex. random_(from, to), randint: integers of [from, to); range = to - from, taken modulo 2^64: 0
// means the full 64-bit range (random_(-2^63, None)).
void fill_random_range(Generator&, DType, void* out, int64_t n, uint64_t range, int64_t from);
void randperm(Generator&, DType, void* out, int64_t n);

void fill_bernoulli(Generator&, DType, void* out, int64_t n, double p);  // bernoulli_(p), every type but complex
// bernoulli(Tensor p) and bernoulli_(Tensor p); p and out contiguous. Returns the first position with p outside [0, 1]
// or NaN (then nothing is drawn), or -1.
int64_t fill_bernoulli_tensor(Generator&, DType out_type, void* out, DType p_type, const void* p, int64_t n);
// Noise of F.dropout (native_dropout, alpha and feature dropout alike): out[i] = u < keep ? scale : 0 as
// bernoulli_(keep) then div_.
void fill_dropout(Generator&, DType, void* out, int64_t n, double keep, double scale);

void fill_exponential(Generator&, DType, void* out, int64_t n, double lambda);  // floating types
void fill_geometric(Generator&, DType, void* out, int64_t n, double p);         // every type but complex
void fill_cauchy(Generator&, DType, void* out, int64_t n, double median, double sigma);
void fill_log_normal(Generator&, DType, void* out, int64_t n, double mean, double std);

// Element by element from contiguous parameters of the same floating type.
void fill_poisson(Generator&, DType, void* out, const void* rate, int64_t n);
void fill_binomial(Generator&, DType, void* out, const void* count, const void* prob, int64_t n);
void fill_standard_gamma(Generator&, DType, void* out, const void* alpha, int64_t n);
void sample_dirichlet(Generator&, DType, void* out, const void* alpha, int64_t rows,
                      int64_t n);  // rows of n, normalised
// rrelu(training): noise[i] = x[i] <= 0 ? uniform(lower, upper) : 1, out[i] = x[i] * noise[i]. Draws only where x[i] <=
// 0.
void rrelu_noise(Generator&, DType, void* out, void* noise, const void* x, int64_t n, double lower, double upper);

// prob: rows of n, contiguous floating type. out: rows of `samples`, int64.
// Without replacement (or one sample) the caller has checked samples <= n. Equal keys of the exponential race, which
// only the 16-bit types have, come in order of position.
enum class MultinomialStatus { Ok,
                               BadProbability /* negative, inf or NaN */,
                               ZeroSum };
MultinomialStatus multinomial(Generator&, DType, int64_t* out, const void* prob, int64_t rows, int64_t n,
                              int64_t samples, bool replacement);

}  // namespace cpu
}  // namespace fl
