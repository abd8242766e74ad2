// Errors of the core: a message and the Python exception class it becomes. Thrown anywhere outside the kernels, translated once,
// at the boundary (python/module.cpp).
#pragma once
#include <exception>
#include <sstream>
#include <string>

namespace fl {

enum class ErrorKind {
  Runtime,         // RuntimeError
  Type,            // TypeError
  Value,           // ValueError
  Index,           // IndexError
  NotImplemented,  // NotImplementedError
  OutOfMemory,     // flambeau.OutOfMemoryError, a RuntimeError
  Overflow,        // OverflowError
  Assertion,       // AssertionError: what PyTorch raises where CUDA is missing
  Interrupt,       // KeyboardInterrupt: a long kernel was stopped
  Python           // the Python error indicator is already set
};

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind(kind), message(std::move(message)) {}
  const char* what() const noexcept override { return message.c_str(); }
  ErrorKind kind;
  std::string message;
};

template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(kind, text.str());
}

// check(condition, "operator: what is wrong (got ", x, ", expected ", y, ")"): RuntimeError unless the condition holds.
#define FL_CHECK(condition, ...)                                                              \
  do {                                                                                        \
    if (__builtin_expect(!(condition), 0)) ::fl::fail(::fl::ErrorKind::Runtime, __VA_ARGS__); \
  } while (0)
#define FL_CHECK_KIND(kind, condition, ...)                                                \
  do {                                                                                     \
    if (__builtin_expect(!(condition), 0)) ::fl::fail(::fl::ErrorKind::kind, __VA_ARGS__); \
  } while (0)

}  // namespace fl
