// Host arrays <-> the library's views. Nothing is copied: column-major memory is told by strides alone.
#pragma once

#include <aet.h>
#include <mex.h>

#include <cstdint>
#include <string>
#include <vector>

namespace aet_mex {

/// [n]: all elements in memory order. A single element stands for `count` equal ones (stride 0).
aet_const_view vector_view(const mxArray *array, const char *name, int64_t count = -1);
/// [rows,columns] of a matrix.
aet_const_view matrix_view(const mxArray *array, const char *name);
/// [n,rows,columns] of a rows x columns x n array; a matrix is a stack of one, repeated `count` times
/// (stride 0) where a count is given.
aet_const_view stack_view(const mxArray *array, const char *name, int64_t count = -1);
/// Images in a rows x columns x n array.
int64_t stack_count(const mxArray *array);

/// An array of the host's own, and the view through which the library fills it.
struct Output {
  mxArray *array;
  aet_view view;
};
/// n x 1 double.
Output vector_output(int64_t n);
/// rows x columns double.
Output matrix_output(int64_t rows, int64_t columns);
/// rows x columns complex double.
Output complex_output(int64_t rows, int64_t columns);
/// rows x columns x n of class `type`, logical axes [n,rows,columns].
Output stack_output(int64_t n, int64_t rows, int64_t columns, mxClassID type = mxDOUBLE_CLASS);
/// Column-major double array of a parameter block: n x 1 for one axis, else the logical shape.
Output block_output(int32_t ndim, const int64_t *shape);

/// Turns a double array with 0 and other values into a logical one.
mxArray *to_logical(mxArray *array);
/// Adds one to every element: 0-based to 1-based.
mxArray *to_one_based(mxArray *array);

double number(const mxArray *array, const char *name);
int64_t integer(const mxArray *array, const char *name);
bool truth(const mxArray *array, const char *name);
uint64_t key(const mxArray *array);
/// UTF-8.
std::string text(const mxArray *array, const char *name);
mxArray *make_text(const std::string &text);
mxArray *make_number(double value);
/// Up to `count` numbers, whole ones where T is an integer, in memory order; zeros behind them.
template <class T>
void few_numbers(const mxArray *array, const char *name, T *values, size_t count);
/// 1-based whole numbers of any class to 0-based ones.
template <class Integer>
std::vector<Integer> zero_based(const mxArray *array, const char *name);
/// Refuses 0-based indices outside 0 to count - 1 with the host's own numbers; the library would name its own.
void require_indices(const std::vector<int64_t> &indices, const char *name, int64_t count);
/// A real full double array, for vectors that the library takes as pointers.
const double *doubles(const mxArray *array, const char *name);

}  // namespace aet_mex
