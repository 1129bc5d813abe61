#include "arrays.hpp"

#include <cmath>
#include <limits>
#include <type_traits>

#include "failure.hpp"

namespace aet_mex {

namespace {

// Where an empty array points: the library asks for non-NULL data before it looks at the shape.
double nothing = 0.0;

int32_t dtype(const mxArray *array, const char *name) {
  if (mxIsSparse(array)) {
    throw Failure("aet:dtype", std::string(name) + ": got a sparse array, wanted a full one");
  }
  const bool is_complex = mxIsComplex(array);
  switch (mxGetClassID(array)) {
    case mxSINGLE_CLASS: return is_complex ? AET_DTYPE_C64 : AET_DTYPE_F32;
    case mxDOUBLE_CLASS: return is_complex ? AET_DTYPE_C128 : AET_DTYPE_F64;
    case mxLOGICAL_CLASS:
    case mxUINT8_CLASS: return AET_DTYPE_U8;
    case mxUINT16_CLASS: return AET_DTYPE_U16;
    case mxINT16_CLASS: return AET_DTYPE_I16;
    case mxINT32_CLASS: return AET_DTYPE_I32;
    case mxUINT32_CLASS: return AET_DTYPE_U32;
    default:
      throw Failure("aet:dtype", std::string(name) + ": got class " + mxGetClassName(array) +
                                     ", wanted double, single, uint8, uint16, uint32, int16, int32 or logical");
  }
}

const void *data(const mxArray *array) {
  const void *pointer = mxIsEmpty(array) ? nullptr : mxGetData(array);
  return pointer ? pointer : &nothing;
}

int64_t extent(const mxArray *array, mwSize axis) {
  return axis < mxGetNumberOfDimensions(array) ? static_cast<int64_t>(mxGetDimensions(array)[axis]) : 1;
}

void require_axes(const mxArray *array, const char *name, mwSize most) {
  if (mxGetNumberOfDimensions(array) > most) {
    throw Failure("aet:shape", std::string(name) + ": got an array of " +
                                   std::to_string(mxGetNumberOfDimensions(array)) + " dimensions, wanted at most " +
                                   std::to_string(most));
  }
}

void require_scalar(const mxArray *array, const char *name) {
  const bool numeric = mxIsNumeric(array) || mxIsLogical(array);
  if (!numeric || mxIsComplex(array) || mxGetNumberOfElements(array) != 1) {
    throw Failure("aet:shape", std::string(name) + ": got " + mxGetClassName(array) + " with " +
                                   std::to_string(mxGetNumberOfElements(array)) + " elements, wanted one real number");
  }
}

void *output_data(mxArray *array) { return mxIsEmpty(array) ? &nothing : mxGetData(array); }

template <class T>
double element(const mxArray *array, size_t i) {
  return static_cast<double>(static_cast<const T *>(mxGetData(array))[i]);
}

double element_of(const mxArray *array, size_t i, const char *name) {
  switch (mxGetClassID(array)) {
    case mxDOUBLE_CLASS: return element<double>(array, i);
    case mxSINGLE_CLASS: return element<float>(array, i);
    case mxINT8_CLASS: return element<int8_t>(array, i);
    case mxUINT8_CLASS: return element<uint8_t>(array, i);
    case mxINT16_CLASS: return element<int16_t>(array, i);
    case mxUINT16_CLASS: return element<uint16_t>(array, i);
    case mxINT32_CLASS: return element<int32_t>(array, i);
    case mxUINT32_CLASS: return element<uint32_t>(array, i);
    case mxINT64_CLASS: return element<int64_t>(array, i);
    case mxUINT64_CLASS: return element<uint64_t>(array, i);
    case mxLOGICAL_CLASS: return element<mxLogical>(array, i);
    default:
      throw Failure("aet:dtype", std::string(name) + ": got class " + mxGetClassName(array) + ", wanted numbers");
  }
}

template <class Integer>
Integer whole(double value, const char *name) {
  const double limit = sizeof(Integer) == 4 ? 2147483647.0 : 9007199254740992.0;
  if (!(std::abs(value) <= limit) || value != std::floor(value)) {
    throw Failure("aet:range", std::string(name) + ": got " + std::to_string(value) + ", wanted a whole number");
  }
  return static_cast<Integer>(value);
}

}  // namespace

aet_const_view vector_view(const mxArray *array, const char *name, int64_t count) {
  const auto elements = static_cast<int64_t>(mxGetNumberOfElements(array));
  const bool repeat = elements == 1 && count > 1;
  const int64_t shape[1] = {repeat ? count : elements};
  aet_const_view view = aet_const_view_f(data(array), dtype(array, name), 1, shape);
  if (repeat) {
    view.strides[0] = 0;
  }
  return view;
}

aet_const_view matrix_view(const mxArray *array, const char *name) {
  require_axes(array, name, 2);
  const int64_t shape[2] = {extent(array, 0), extent(array, 1)};
  return aet_const_view_f(data(array), dtype(array, name), 2, shape);
}

int64_t stack_count(const mxArray *array) { return mxIsEmpty(array) ? 0 : extent(array, 2); }

aet_const_view stack_view(const mxArray *array, const char *name, int64_t count) {
  require_axes(array, name, 3);
  const int64_t rows = extent(array, 0);
  const int64_t columns = extent(array, 1);
  const int64_t images = extent(array, 2);
  const bool repeat = images == 1 && count > 1;
  aet_const_view view{};
  view.data = data(array);
  view.dtype = dtype(array, name);
  view.ndim = 3;
  view.shape[0] = repeat ? count : images;
  view.shape[1] = rows;
  view.shape[2] = columns;
  view.strides[0] = repeat ? 0 : rows * columns;
  view.strides[1] = 1;
  view.strides[2] = rows;
  return view;
}

Output block_output(int32_t ndim, const int64_t *shape) {
  mwSize dims[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (int32_t axis = 0; axis < ndim; ++axis) {
    dims[axis] = static_cast<mwSize>(shape[axis]);
  }
  mxArray *array = mxCreateNumericArray(ndim < 2 ? 2 : static_cast<mwSize>(ndim), dims, mxDOUBLE_CLASS, mxREAL);
  return {array, aet_view_f(output_data(array), AET_DTYPE_F64, ndim, shape)};
}

Output vector_output(int64_t n) { return block_output(1, &n); }

Output matrix_output(int64_t rows, int64_t columns) {
  const int64_t shape[2] = {rows, columns};
  return block_output(2, shape);
}

Output complex_output(int64_t rows, int64_t columns) {
  // Octave 7.3 allocates half the memory of a complex array: allocate it here, then hand it over.
  const auto elements = static_cast<size_t>(rows * columns);
  auto *values = static_cast<mxComplexDouble *>(mxCalloc(elements > 0 ? elements : 1, sizeof(mxComplexDouble)));
  mxArray *array = mxCreateDoubleMatrix(0, 0, mxCOMPLEX);
  mxSetComplexDoubles(array, values);
  mxSetM(array, static_cast<mwSize>(rows));
  mxSetN(array, static_cast<mwSize>(columns));
  const int64_t shape[2] = {rows, columns};
  return {array, aet_view_f(values, AET_DTYPE_C128, 2, shape)};
}

Output stack_output(int64_t n, int64_t rows, int64_t columns, mxClassID type) {
  const mwSize dims[3] = {static_cast<mwSize>(rows), static_cast<mwSize>(columns), static_cast<mwSize>(n)};
  mxArray *array = mxCreateNumericArray(3, dims, type, mxREAL);
  aet_view view{};
  view.data = output_data(array);
  view.dtype = dtype(array, "output");
  view.ndim = 3;
  view.shape[0] = n;
  view.shape[1] = rows;
  view.shape[2] = columns;
  view.strides[0] = rows * columns;
  view.strides[1] = 1;
  view.strides[2] = rows;
  return {array, view};
}

mxArray *to_logical(mxArray *array) {
  mxArray *answer = mxCreateLogicalArray(mxGetNumberOfDimensions(array), mxGetDimensions(array));
  for (size_t i = 0; i < mxGetNumberOfElements(array); ++i) {
    mxGetLogicals(answer)[i] = element_of(array, i, "column") != 0.0;
  }
  mxDestroyArray(array);
  return answer;
}

mxArray *to_one_based(mxArray *array) {
  double *values = mxGetDoubles(array);
  for (size_t i = 0; i < mxGetNumberOfElements(array); ++i) {
    values[i] += 1.0;
  }
  return array;
}

double number(const mxArray *array, const char *name) {
  require_scalar(array, name);
  return element_of(array, 0, name);
}

int64_t integer(const mxArray *array, const char *name) { return whole<int64_t>(number(array, name), name); }

bool truth(const mxArray *array, const char *name) { return number(array, name) != 0.0; }

uint64_t key(const mxArray *array) {
  if (!mxIsUint64(array) || mxGetNumberOfElements(array) != 1) {
    throw Failure("aet:staleHandle", "got no handle (an uint64 key) where one was wanted");
  }
  return *static_cast<const uint64_t *>(mxGetData(array));
}

std::string text(const mxArray *array, const char *name) {
  if (!mxIsChar(array) || (mxGetM(array) != 1 && !mxIsEmpty(array))) {
    throw Failure("aet:text", std::string(name) + ": got class " + mxGetClassName(array) + ", wanted one line of text");
  }
#ifdef HAVE_OCTAVE
  char *copied = mxArrayToString(array);  // Octave's characters are UTF-8 bytes already
#else
  char *copied = mxArrayToUTF8String(array);
#endif
  const std::string result = copied ? copied : "";
  mxFree(copied);
  return result;
}

mxArray *make_text(const std::string &text) { return mxCreateString(text.c_str()); }

mxArray *make_number(double value) { return mxCreateDoubleScalar(value); }

template <class Integer>
std::vector<Integer> zero_based(const mxArray *array, const char *name) {
  std::vector<Integer> values(mxGetNumberOfElements(array));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<Integer>(whole<Integer>(element_of(array, i, name), name) - 1);
  }
  return values;
}
template std::vector<int32_t> zero_based(const mxArray *, const char *);
template std::vector<int64_t> zero_based(const mxArray *, const char *);

template <class T>
void few_numbers(const mxArray *array, const char *name, T *values, size_t count) {
  const size_t got = mxGetNumberOfElements(array);
  if (got > count) {
    throw Failure("aet:shape", std::string(name) + ": got " + std::to_string(got) + " numbers, wanted at most " +
                                   std::to_string(count));
  }
  for (size_t i = 0; i < count; ++i) {
    const double value = i < got ? element_of(array, i, name) : 0.0;
    if constexpr (std::is_integral_v<T>) {
      values[i] = whole<T>(value, name);
    } else {
      values[i] = value;
    }
  }
}
template void few_numbers(const mxArray *, const char *, double *, size_t);
template void few_numbers(const mxArray *, const char *, int32_t *, size_t);
template void few_numbers(const mxArray *, const char *, int64_t *, size_t);

void require_indices(const std::vector<int64_t> &indices, const char *name, int64_t count) {
  for (const int64_t index : indices) {
    if (index < 0 || index >= count) {
      throw Failure("aet:range", std::string(name) + ": got " + std::to_string(index + 1) + ", wanted 1 to " +
                                     std::to_string(count));
    }
  }
}

const double *doubles(const mxArray *array, const char *name) {
  if (dtype(array, name) != AET_DTYPE_F64) {
    throw Failure("aet:dtype", std::string(name) + ": got class " + mxGetClassName(array) +
                                   (mxIsComplex(array) ? " (complex)" : "") + ", wanted real double");
  }
  return static_cast<const double *>(data(array));
}

}  // namespace aet_mex
