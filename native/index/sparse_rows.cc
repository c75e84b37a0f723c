#include "index/sparse_rows.h"

#include <cmath>
#include <string>

namespace sparse_rerank {

namespace {

Error invalid(std::string message) {
  return {"ERR_INVALID_ARGUMENT", std::move(message)};
}

std::string place(std::size_t row, std::size_t position) {
  return "row " + std::to_string(row) + ", position " + std::to_string(position) + ": ";
}

Status validate_row(const SparseRow& row, std::size_t number, std::size_t dimension) {
  std::int64_t previous = -1;
  for (std::size_t i = 0; i < row.indices.size(); ++i) {
    const std::uint32_t index = row.indices[i];
    if (index <= previous) {
      return invalid(place(number, i) + "index " + std::to_string(index) + " follows " + std::to_string(previous) +
                     "; the indices of a row must ascend strictly");
    }
    if (index >= dimension) {
      return Error{"ERR_DIMENSION_MISMATCH",
                   place(number, i) + "index " + std::to_string(index) + " is not below the dimension " + std::to_string(dimension)};
    }
    if (!std::isfinite(row.values[i])) {
      return invalid(place(number, i) + "value " + std::to_string(row.values[i]) + " of index " + std::to_string(index) +
                     " is not a finite number");
    }
    previous = index;
  }
  return std::nullopt;
}

}  // namespace

Status validate(const SparseRowsView& rows, std::size_t dimension) {
  if (rows.indptr.empty()) return invalid("indptr is empty; it must have one entry more than there are rows");
  if (rows.indices.size() != rows.values.size()) {
    return invalid("there are " + std::to_string(rows.indices.size()) + " indices and " + std::to_string(rows.values.size()) +
                   " values; each index needs one value");
  }
  if (rows.indptr.front() != 0) return invalid("indptr[0] is " + std::to_string(rows.indptr.front()) + "; it must be 0");
  // Before any row is read: a row must not reach beyond the indices.
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    if (rows.indptr[i + 1] < rows.indptr[i]) {
      return invalid("row " + std::to_string(i) + ": indptr descends from " + std::to_string(rows.indptr[i]) + " to " +
                     std::to_string(rows.indptr[i + 1]));
    }
  }
  if (rows.indptr.back() != rows.indices.size()) {
    return invalid("indptr ends at " + std::to_string(rows.indptr.back()) + " but there are " + std::to_string(rows.indices.size()) +
                   " indices");
  }
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    if (Status error = validate_row(rows.row(i), i, dimension)) return error;
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
