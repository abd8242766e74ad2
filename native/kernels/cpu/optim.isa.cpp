// Optimiser steps on a piece of one parameter: gradient, state and parameter in one sweep.
#include "kernels/cpu/optim.h"

#include "kernels/cpu/simd.h"

namespace fl::cpu::FL_ISA {
namespace {

// Calls update(p, g, s) on vectors of the parameter, its gradient and S states, and stores p and s.
template <class T, int S, class F> FL_FN void sweep(int64_t n, T* p, const T* g, T* const (&states)[S + 1], F update) {
  using V = Vec<T>;
  constexpr int64_t width = FL_VB / sizeof(T);
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    V x = load<V>(p + i), s[S + 1];
    for (int k = 0; k < S; k++) s[k] = load<V>(states[k] + i);
    update(x, load<V>(g + i), s);
    store(p + i, x);
    for (int k = 0; k < S; k++) store(states[k] + i, s[k]);
  }
  if (i < n) {
    int64_t bytes = (n - i) * sizeof(T);
    V x = load_part<V>(p + i, bytes), s[S + 1];
    for (int k = 0; k < S; k++) s[k] = load_part<V>(states[k] + i, bytes);
    update(x, load_part<V>(g + i, bytes), s);
    store_part(p + i, x, bytes);
    for (int k = 0; k < S; k++) store_part(states[k] + i, s[k], bytes);
  }
}

template <class T> FL_FN T* piece(void* const* tensors, int64_t t, int64_t begin) {
  return tensors ? (T*)tensors[t] + begin : nullptr;
}
template <class T, class Step> FL_FN const T* gradient(const Step& o, int64_t t, int64_t begin) {
  return (const T*)o.list.grads[t] + begin;
}

// The gradient as the update sees it: ascent, and weight decay into the gradient.
template <class T, class V> FL_FN V effective(V g, V p, T weight_decay, bool maximize) {
  if (maximize) g = -g;
  if (weight_decay != 0) g = g + weight_decay * p;
  return g;
}
template <class T, class V> FL_FN V lerp_to(V a, V b, T weight) {
  return weight < T(0.5) ? a + weight * (b - a) : b - (b - a) * (T(1) - weight);
}

template <class T> void sgd(const SgdStep& o, int64_t t, int64_t begin, int64_t n) {
  using V = Vec<T>;
  T* p = piece<T>(o.list.params, t, begin);
  const T* g = gradient<T>(o, t, begin);
  T decay = T(o.weight_decay), lr = T(-o.lr), momentum = T(o.momentum), fraction = T(1 - o.dampening);
  bool maximize = o.maximize, nesterov = o.nesterov, fresh = o.fresh && o.fresh[t];
  if (o.momentum == 0) {
    T* none[1] = {};
    sweep<T, 0>(n, p, g, none, [=](V& x, V d, V*) {
      x = x + lr * effective(d, x, decay, maximize);
    });
  } else {
    T* states[2] = {piece<T>(o.momentum_buffers, t, begin)};
    sweep<T, 1>(n, p, g, states, [=](V& x, V d, V* s) {
      d = effective(d, x, decay, maximize);
      s[0] = fresh ? d : s[0] * momentum + fraction * d;
      x = x + lr * (nesterov ? d + momentum * s[0] : s[0]);
    });
  }
}

template <class T> void adam(const AdamStep& o, int64_t t, int64_t begin, int64_t n) {
  using V = Vec<T>;
  T* p = piece<T>(o.list.params, t, begin);
  const T* g = gradient<T>(o, t, begin);
  double correction1 = 1 - __builtin_pow(o.beta1, o.steps[t]), correction2 = 1 - __builtin_pow(o.beta2, o.steps[t]);
  T root = T(__builtin_sqrt(correction2)), value = T(-(o.lr / correction1)), eps = T(o.eps);
  T decay = o.decoupled ? T(0) : T(o.weight_decay), shrink = T(1 - o.lr * o.weight_decay);
  T weight1 = T(1 - o.beta1), weight2 = T(1 - o.beta2), beta2 = T(o.beta2);
  bool maximize = o.maximize, decoupled = o.decoupled && o.weight_decay != 0;
  auto moments = [=](V& x, V d, V* s) __attribute__((always_inline)) {
    if (decoupled) x = x * shrink;
    d = effective(d, x, decay, maximize);
    s[0] = lerp_to(s[0], d, weight1);
    s[1] = s[1] * beta2 + (weight2 * d) * d;
  };
  T* states[4] = {piece<T>(o.exp_avgs, t, begin), piece<T>(o.exp_avg_sqs, t, begin),
                  piece<T>(o.max_exp_avg_sqs, t, begin)};
  if (o.max_exp_avg_sqs) {
    sweep<T, 3>(n, p, g, states, [=](V& x, V d, V* s) {
      moments(x, d, s);
      s[2] = sel((s[1] > s[2]) | (s[1] != s[1]), s[1], s[2]);
      x = x + value * s[0] / (sqrt(s[2]) / root + eps);
    });
  } else {
    T* two[3] = {states[0], states[1]};
    sweep<T, 2>(n, p, g, two, [=](V& x, V d, V* s) {
      moments(x, d, s);
      x = x + value * s[0] / (sqrt(s[1]) / root + eps);
    });
  }
}

// States: the square average, then (centered) the gradient average, then (momentum) the buffer.
template <class T, bool centered, bool with_momentum>
FL_FN void rmsprop_of(const RmspropStep& o, int64_t t, int64_t begin, int64_t n) {
  using V = Vec<T>;
  constexpr int S = 1 + centered + with_momentum;
  T* states[S + 1] = {piece<T>(o.square_avgs, t, begin)};
  if (centered) states[1] = piece<T>(o.grad_avgs, t, begin);
  if (with_momentum) states[S - 1] = piece<T>(o.momentum_buffers, t, begin);
  T lr = T(-o.lr), alpha = T(o.alpha), rest = T(1 - o.alpha), eps = T(o.eps), decay = T(o.weight_decay),
    momentum = T(o.momentum);
  bool maximize = o.maximize;
  sweep<T, S>(n, piece<T>(o.list.params, t, begin), gradient<T>(o, t, begin), states, [=](V& x, V d, V* s) {
    d = effective(d, x, decay, maximize);
    s[0] = s[0] * alpha + (rest * d) * d;
    V variance = s[0];
    if constexpr (centered) {
      s[1] = lerp_to(s[1], d, rest);
      variance = variance - s[1] * s[1];
    }
    V scale = sqrt(variance) + eps;
    if constexpr (with_momentum) {
      s[S - 1] = s[S - 1] * momentum + d / scale;
      x = x + lr * s[S - 1];
    } else {
      x = x + lr * d / scale;
    }
  });
}
template <class T> void rmsprop(const RmspropStep& o, int64_t t, int64_t begin, int64_t n) {
  bool momentum = o.momentum > 0 && o.momentum_buffers;
  if (o.grad_avgs)
    return momentum ? rmsprop_of<T, true, true>(o, t, begin, n) : rmsprop_of<T, true, false>(o, t, begin, n);
  return momentum ? rmsprop_of<T, false, true>(o, t, begin, n) : rmsprop_of<T, false, false>(o, t, begin, n);
}

template <class T> void adagrad(const AdagradStep& o, int64_t t, int64_t begin, int64_t n) {
  using V = Vec<T>;
  T* states[2] = {piece<T>(o.state_sums, t, begin)};
  T value = T(-(o.lr / (1 + (o.steps[t] - 1) * o.lr_decay))), eps = T(o.eps), decay = T(o.weight_decay);
  bool maximize = o.maximize;
  sweep<T, 1>(n, piece<T>(o.list.params, t, begin), gradient<T>(o, t, begin), states, [=](V& x, V d, V* s) {
    d = effective(d, x, decay, maximize);
    s[0] = s[0] + d * d;
    x = x + value * d / (sqrt(s[0]) + eps);
  });
}

}  // namespace

constinit const OptimKernels optim_kernels = {{sgd<float>, sgd<double>}, {adam<float>, adam<double>}, {rmsprop<float>, rmsprop<double>}, {adagrad<float>, adagrad<double>}};

}  // namespace fl::cpu::FL_ISA
