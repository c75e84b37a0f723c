#include "index/similarity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "test/index_fixture.h"
#include "test/sparse_rows_fixture.h"

namespace sparse_rerank {
namespace {

float naive_dot(const SparseRow& a, const SparseRow& b) {
  float sum = 0.0f;
  for (std::size_t i = 0; i < a.indices.size(); ++i) {
    for (std::size_t j = 0; j < b.indices.size(); ++j) {
      if (a.indices[i] == b.indices[j]) sum += a.values[i] * b.values[j];
    }
  }
  return sum;
}

void expect_all_products(const TestRows& a, const TestRows& b, std::size_t dimension) {
  const std::size_t columns = b.view().rows();
  std::vector<float> out(a.view().rows() * columns, std::nanf(""));
  similarity(SimilarityFunction::kDot, a.view(), b.view(), dimension, 0, a.view().rows(), out.data());
  for (std::size_t i = 0; i < a.view().rows(); ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const float expected = naive_dot(a.view().row(i), b.view().row(j));
      ASSERT_EQ(out[i * columns + j], expected) << "row " << i << ", column " << j;
      ASSERT_FALSE(std::signbit(out[i * columns + j]) && expected == 0.0f);
    }
  }
}

TEST(Similarity, EqualsTheNaiveProductsWhicheverSideIsScattered) {
  std::mt19937 random(1);
  for (const Terms terms : {Terms::kUniform, Terms::kSkewed}) {
    const TestRows shorter = random_rows(random, 20, 300, 10, terms, false);
    const TestRows longer = random_rows(random, 30, 300, 120, terms, false);
    expect_all_products(shorter, longer, 300);
    expect_all_products(longer, shorter, 300);
  }
}

TEST(Similarity, CosinesOfVeryLargeAndVerySmallRows) {
  for (const float scale : {3e38f, 1.0f, 1e-30f, 1e-44f}) {
    const TestRows a = {{{0, scale}, {1, scale}}};
    const TestRows b = {{{0, scale}, {2, scale}}};
    const float expected[] = {1.0f, 0.5f};
    const TestRows* others[] = {&a, &b};
    for (std::size_t i = 0; i < 2; ++i) {
      float one = -1.0f;
      similarity(SimilarityFunction::kCosine, a.view(), others[i]->view(), 3, 0, 1, &one);
      EXPECT_NEAR(one, expected[i], 1e-6f) << scale;
      similarity_pairwise(SimilarityFunction::kCosine, a.view(), others[i]->view(), 3, 0, 1, &one);
      EXPECT_NEAR(one, expected[i], 1e-6f) << scale;
    }
  }
}

TEST(Similarity, EmptyInputs) {
  const TestRows rows = {{{0, 1.0f}}, {}};
  expect_all_products({}, rows, 1);
  expect_all_products(rows, {}, 1);
  expect_all_products({{}, {}}, {{}}, 0);
  expect_all_products(rows, rows, 1);
}

TEST(Similarity, WritesItsRowsOnly) {
  std::mt19937 random(2);
  const TestRows a = random_rows(random, 9, 50, 20, Terms::kUniform);
  const TestRows b = random_rows(random, 7, 50, 20, Terms::kUniform);
  std::vector<float> whole(63);
  similarity(SimilarityFunction::kDot, a.view(), b.view(), 50, 0, 9, whole.data());
  std::vector<float> parts(63, -1.0f);
  similarity(SimilarityFunction::kDot, a.view(), b.view(), 50, 3, 5, parts.data());
  for (std::size_t i = 0; i < 63; ++i) EXPECT_EQ(parts[i], i / 7 == 3 || i / 7 == 4 ? whole[i] : -1.0f) << i;
  similarity(SimilarityFunction::kDot, a.view(), b.view(), 50, 0, 3, parts.data());
  similarity(SimilarityFunction::kDot, a.view(), b.view(), 50, 5, 9, parts.data());
  EXPECT_EQ(parts, whole);
}

TEST(Similarity, PairwiseIsTheDiagonal) {
  std::mt19937 random(3);
  const TestRows a = random_rows(random, 40, 80, 30, Terms::kSkewed, false);
  const TestRows b = random_rows(random, 40, 80, 30, Terms::kSkewed, false);
  std::vector<float> out(40, -1.0f);
  similarity_pairwise(SimilarityFunction::kDot, a.view(), b.view(), 80, 0, 13, out.data());
  EXPECT_EQ(out[13], -1.0f);
  similarity_pairwise(SimilarityFunction::kDot, a.view(), b.view(), 80, 13, 40, out.data());
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(out[i], naive_dot(a.view().row(i), b.view().row(i))) << i;
}

TEST(Similarity, EqualsTheScoresOfTheIndex) {
  std::mt19937 random(4);
  const TestRows documents = random_rows(random, 300, 200, 60, Terms::kSkewed);
  const TestRows queries = random_rows(random, 20, 200, 15, Terms::kSkewed);
  std::vector<float> products(20 * 300);
  similarity(SimilarityFunction::kDot, queries.view(), documents.view(), 200, 0, 20, products.data());
  const auto index = SegmentedIndex::create(200);
  add(*index, documents, numbered(0, 300));
  for (std::size_t i = 0; i < 20; ++i) {
    std::map<std::string, float> scores;
    for (const auto& [id, score] : search(*index, queries.view().row(i), 300)) scores[id] = score;
    for (std::uint32_t j = 0; j < 300; ++j) {
      const auto found = scores.find(std::to_string(j));
      EXPECT_EQ(products[i * 300 + j], found == scores.end() ? 0.0f : found->second);
    }
  }
}

TEST(Similarity, OverflowsToInfinity) {
  const TestRows huge = {{{0, 3e38f}, {1, 3e38f}}};
  float out = 0.0f;
  similarity_pairwise(SimilarityFunction::kDot, huge.view(), huge.view(), 2, 0, 1, &out);
  EXPECT_EQ(out, std::numeric_limits<float>::infinity());
}

/// In double precision, over all dimensions.
double reference(SimilarityFunction function, const SparseRow& a, const SparseRow& b, std::size_t dimension) {
  std::vector<double> x(dimension);
  std::vector<double> y(dimension);
  for (std::size_t i = 0; i < a.indices.size(); ++i) x[a.indices[i]] = a.values[i];
  for (std::size_t i = 0; i < b.indices.size(); ++i) y[b.indices[i]] = b.values[i];
  double xy = 0.0, xx = 0.0, yy = 0.0, squares = 0.0, absolutes = 0.0;
  for (std::size_t i = 0; i < dimension; ++i) {
    xy += x[i] * y[i];
    xx += x[i] * x[i];
    yy += y[i] * y[i];
    squares += (x[i] - y[i]) * (x[i] - y[i]);
    absolutes += std::abs(x[i] - y[i]);
  }
  switch (function) {
    case SimilarityFunction::kDot:
      return xy;
    case SimilarityFunction::kCosine:
      return xx * yy > 0.0 ? xy / std::sqrt(xx * yy) : 0.0;
    case SimilarityFunction::kEuclidean:
      return -std::sqrt(squares);
    case SimilarityFunction::kManhattan:
      return -absolutes;
  }
  return std::nan("");
}

class EverySimilarity : public testing::TestWithParam<const char*> {};

TEST_P(EverySimilarity, EqualsItsDefinition) {
  const auto function = similarity_function(GetParam());
  ASSERT_TRUE(function);
  std::mt19937 random(5);
  TestRows a = random_rows(random, 12, 60, 30, Terms::kSkewed, false);
  TestRows b = random_rows(random, 12, 60, 30, Terms::kUniform, false);
  a.push({});
  b.push({});
  std::vector<float> out(169, std::nanf(""));
  std::vector<float> diagonal(13, std::nanf(""));
  similarity(*function, a.view(), b.view(), 60, 0, 5, out.data());
  similarity(*function, a.view(), b.view(), 60, 5, 13, out.data());
  similarity_pairwise(*function, a.view(), b.view(), 60, 0, 13, diagonal.data());
  for (std::size_t i = 0; i < 13; ++i) {
    for (std::size_t j = 0; j < 13; ++j) {
      const double expected = reference(*function, a.view().row(i), b.view().row(j), 60);
      EXPECT_NEAR(out[i * 13 + j], expected, 1e-6 * (1.0 + std::abs(expected))) << "row " << i << ", column " << j;
    }
    EXPECT_EQ(diagonal[i], out[i * 13 + i]) << "row " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Similarity, EverySimilarity, testing::Values("dot", "cosine", "euclidean", "manhattan"));

TEST(Similarity, NothingIsMoreSimilarThanARowToItself) {
  std::mt19937 random(6);
  TestRows rows = random_rows(random, 10, 500, 200, Terms::kUniform);
  rows.push({});
  std::vector<float> self(11);
  similarity_pairwise(SimilarityFunction::kCosine, rows.view(), rows.view(), 500, 0, 11, self.data());
  for (std::size_t i = 0; i < 11; ++i) EXPECT_FLOAT_EQ(self[i], rows.view().row(i).indices.empty() ? 0.0f : 1.0f) << i;
  for (const auto distance : {SimilarityFunction::kEuclidean, SimilarityFunction::kManhattan}) {
    similarity_pairwise(distance, rows.view(), rows.view(), 500, 0, 11, self.data());
    for (std::size_t i = 0; i < 11; ++i) EXPECT_EQ(self[i], 0.0f) << i;
  }
}

TEST(Similarity, UnknownNames) {
  EXPECT_FALSE(similarity_function("jaccard"));
  EXPECT_FALSE(similarity_function(""));
}

}  // namespace
}  // namespace sparse_rerank
