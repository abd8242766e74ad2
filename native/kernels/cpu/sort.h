// Sorting and searching: sort, topk, kthvalue, median, mode, unique, searchsorted, histograms.
// Order: NaN is the largest value; -0 == 0; False < True. Not for complex types. Stable throughout, so that equal
// values keep the order of their indices in every kernel that returns indices (unless said otherwise).
#pragma once
#include <cstdint>

#include "tensor/dtype.h"

namespace fl::cpu {

// A tensor seen as lines of n elements along one dimension. All strides in bytes.
//   outer dimensions: ndim sizes; for operand k the line starts at base_k + sum(i_d * strides[k][d]) and steps by
//   step[k].
// Operand 0 is the input, 1 the values output, 2 the int64 indices output.
struct Lines {
  int ndim = 0;
  const int64_t* sizes = nullptr;
  int64_t n = 0;  // length of an input line
  const int64_t* strides[3] = {nullptr, nullptr, nullptr};
  int64_t step[3] = {0, 0, 0};
};

// values or indices may be null where not wanted. in == values is allowed (same strides).
void sort(DType, const Lines&, const void* in, void* values, int64_t* indices, bool descending);
// Output lines have k elements (k <= n). Sorted by value whatever was asked for; ties by ascending index.
void topk(DType, const Lines&, const void* in, void* values, int64_t* indices, int64_t k, bool largest);
// One element a line. k is 1-based. The index is of an element with that value.
void kthvalue(DType, const Lines&, const void* in, void* values, int64_t* indices, int64_t k);
// Lower median. NaN (the first) wins unless ignore_nan (nanmedian). n >= 1. indices may be null.
void median(DType, const Lines&, const void* in, void* values, int64_t* indices, bool ignore_nan);
// Most frequent value, the smallest among equals; index of its last occurrence.
void mode(DType, const Lines&, const void* in, void* values, int64_t* indices);

// unique of n contiguous elements. `values` has room for n (every type); inverse (n int64) and counts (room for n
// int64) may be null. Result ascending; each NaN is a value of its own. Returns the number of distinct values. Complex
// types: by (re, im).
int64_t unique(DType, const void* in, int64_t n, void* values, int64_t* inverse, int64_t* counts);
// Runs of equal elements, in order.
int64_t unique_consecutive(DType, const void* in, int64_t n, void* values, int64_t* inverse, int64_t* counts);
// unique(dim): `in` is n rows of `width` contiguous elements (the dimension moved to the front). Fills `representative`
// (room for n): the row number whose contents stand for the k-th result (gather with it), inverse and counts as above.
// Rows in lexicographic order; consecutive = true: runs of equal rows in order of appearance.
int64_t unique_rows(DType, const void* in, int64_t n, int64_t width, int64_t* representative, int64_t* inverse,
                    int64_t* counts, bool consecutive);

// searchsorted/bucketize. boundaries: 1 or `rows` rows of n (boundary_rows is 1 or rows), contiguous; values: rows of m
// of the same type. out: rows of m; int64, or int32 where out_int32. right: upper bound. sorter: null or the
// boundaries' permutation (checked: returns false, nothing written, when an entry lies outside [0, n)).
bool searchsorted(DType, const void* boundaries, int64_t boundary_rows, int64_t n, const int64_t* sorter,
                  const void* values, int64_t rows, int64_t m, bool right, void* out, bool out_int32);

// histc of n contiguous floating (or integer) elements into `bins` counts of the same type. low == high: caller has
// taken min and max (and widened equal ones by 1 on each side).
void histc(DType, const void* in, int64_t n, int64_t bins, double low, double high, void* out);
// Smallest and largest of n >= 1 contiguous integers as int64.
void integer_range(DType, const void* in, int64_t n, int64_t* low, int64_t* high);
// bincount: `out` zeroed by the caller, longer than the largest value; input checked non-negative. weights null: int64
// counts in out; else weights and out double (or float when weights_type is Float32).
void bincount(DType, const void* in, int64_t n, const void* weights, DType weights_type, void* out);
// out[i] = (in[i] is one of test[0..m)) != invert. Contiguous, same type.
void isin(DType, const void* in, int64_t n, const void* test, int64_t m, bool invert, bool* out);

}  // namespace fl::cpu
