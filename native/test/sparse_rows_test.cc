#include "index/sparse_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "test/sparse_rows_fixture.h"

namespace sparse_rerank {
namespace {

constexpr std::size_t kDimension = 10;

struct Refusal {
  std::string code;
  std::string message;
};

Refusal refusal(const TestRows& rows, std::size_t dimension = kDimension) {
  const Status status = validate(rows.view(), dimension);
  return status ? Refusal{status->code, status->message} : Refusal{"none", ""};
}

void expect_refused(const TestRows& rows, const std::string& code, const std::string& words) {
  const Refusal found = refusal(rows);
  EXPECT_EQ(found.code, code);
  EXPECT_NE(found.message.find(words), std::string::npos) << found.message;
}

TEST(SparseRows, AcceptsWellFormedRows) {
  EXPECT_EQ(refusal({}).code, "none");
  EXPECT_EQ(refusal({{}, {}, {}}).code, "none");
  EXPECT_EQ(refusal({{{0, 1.0f}, {9, 2.0f}}, {}, {{9, 0.5f}}, {{0, 1.0f}}}).code, "none");
}

TEST(SparseRows, AcceptsZeroNegativeAndExtremeValues) {
  EXPECT_EQ(refusal({{{0, 0.0f}, {1, -0.0f}, {2, -3.0f}, {3, std::numeric_limits<float>::denorm_min()}, {4, 3.4e38f}}}).code, "none");
}

TEST(SparseRows, RowsAndSlices) {
  const TestRows rows = {{{1, 1.0f}}, {}, {{2, 2.0f}, {3, 3.0f}}};
  EXPECT_EQ(rows.view().rows(), 3u);
  EXPECT_EQ(SparseRowsView().rows(), 0u);
  const SparseRowsView slice = rows.view().slice(1, 2);
  EXPECT_EQ(slice.rows(), 2u);
  EXPECT_TRUE(slice.row(0).indices.empty());
  EXPECT_EQ(slice.row(1).indices[1], 3u);
  EXPECT_EQ(slice.row(1).values[0], 2.0f);
}

TEST(SparseRows, RefusesIndptrThatCannotBeRead) {
  TestRows rows = {{{1, 1.0f}}, {{2, 2.0f}}};
  rows.indptr = {};
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "indptr is empty");
  rows.indptr = {1, 1, 2};
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "indptr[0] is 1");
  rows.indptr = {0, 2, 1, 2};
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "row 1: indptr descends from 2 to 1");
  rows.indptr = {0, 1};
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "indptr ends at 1 but there are 2 indices");
  rows.indptr = {0, 1, 4294967295u};
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "indptr ends at 4294967295");
  // Beyond the indices and back: no row may be read before all of indptr was seen.
  rows.indptr = {0, 4000000000u, 2};
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "row 1: indptr descends");
}

TEST(SparseRows, RefusesUnequalLengths) {
  TestRows rows = {{{1, 1.0f}}, {{2, 2.0f}}};
  rows.values.pop_back();
  expect_refused(rows, "ERR_INVALID_ARGUMENT", "2 indices and 1 values");
}

TEST(SparseRows, NamesRowAndPositionOfABadIndex) {
  expect_refused({{{1, 1.0f}}, {{2, 1.0f}, {5, 1.0f}, {5, 1.0f}}}, "ERR_INVALID_ARGUMENT", "row 1, position 2: index 5 follows 5");
  expect_refused({{{3, 1.0f}, {2, 1.0f}}}, "ERR_INVALID_ARGUMENT", "row 0, position 1: index 2 follows 3");
  expect_refused({{}, {}, {{0, 1.0f}, {10, 1.0f}}}, "ERR_DIMENSION_MISMATCH", "row 2, position 1: index 10");
  expect_refused({{{4294967295u, 1.0f}}}, "ERR_DIMENSION_MISMATCH", "row 0, position 0: index 4294967295");
}

TEST(SparseRows, RefusesValuesThatAreNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  expect_refused({{{1, 1.0f}}, {{0, 1.0f}, {4, std::nanf("")}}}, "ERR_INVALID_ARGUMENT", "row 1, position 1: value");
  expect_refused({{{1, infinity}}}, "ERR_INVALID_ARGUMENT", "row 0, position 0");
  expect_refused({{{1, -infinity}}}, "ERR_INVALID_ARGUMENT", "row 0, position 0");
}

TEST(SparseRows, TheLargestIndexNeedsTheWholeRange) {
  EXPECT_EQ(refusal({{{0, 1.0f}, {4294967295u, 1.0f}}}, std::size_t{1} << 32).code, "none");
}

}  // namespace
}  // namespace sparse_rerank
