// Complex<T>: a plain pair. std::complex would bring its NaN-recovery multiplication and shared inline code into the
// kernels that are compiled once per instruction set; always_inline keeps these functions out of the same trap.
#pragma once

namespace fl {

template <class T>
struct Complex {
  T re, im;
  Complex() = default;
  constexpr Complex(T r, T i = T(0)) : re(r), im(i) {}
  template <class U>
  explicit constexpr Complex(const Complex<U>& z) : re(T(z.re)), im(T(z.im)) {}

  [[gnu::always_inline]] friend inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  [[gnu::always_inline]] friend inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  [[gnu::always_inline]] friend inline Complex operator-(Complex a) { return {-a.re, -a.im}; }
  [[gnu::always_inline]] friend inline Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  [[gnu::always_inline]] friend inline Complex operator/(Complex a, Complex b) {  // Smith's algorithm (CACM 1962): no overflow in the squares
    T abs_c = b.re < 0 ? -b.re : b.re, abs_d = b.im < 0 ? -b.im : b.im;
    if (abs_c >= abs_d) {
      if (abs_c == 0 && abs_d == 0) return {a.re / abs_c, a.im / abs_d};
      T r = b.im / b.re, s = T(1) / (b.re + b.im * r);
      return {(a.re + a.im * r) * s, (a.im - a.re * r) * s};
    }
    T r = b.re / b.im, s = T(1) / (b.re * r + b.im);
    return {(a.re * r + a.im) * s, (a.im * r - a.re) * s};
  }
  [[gnu::always_inline]] friend inline bool operator==(Complex a, Complex b) { return a.re == b.re && a.im == b.im; }
  [[gnu::always_inline]] friend inline bool operator!=(Complex a, Complex b) { return !(a == b); }
};

}  // namespace fl
