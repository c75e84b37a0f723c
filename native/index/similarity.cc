#include "index/similarity.h"

#include <cmath>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

/// One row at a time, scattered over the dimension: products with other rows are then sums of look-ups. With rows of 200 weights over
/// 30,522 terms (Zen 5) a product takes 80 ns, by merging the two rows 900 to 1500. An inverted form of one side is faster only for large
/// matrices (30 ns for 64 x 2000), which are the index's work.
class ScatteredRow {
 public:
  explicit ScatteredRow(std::size_t dimension) : weights_(dimension) {}

  void set(const SparseRow& row) {
    for (const std::uint32_t index : indices_) weights_[index] = 0.0f;
    indices_ = row.indices;
    for (std::size_t i = 0; i < indices_.size(); ++i) weights_[indices_[i]] = row.values[i];
  }

  [[nodiscard]] float dot(const SparseRow& row) const {
    return dot_gather(row.indices.data(), row.values.data(), row.indices.size(), weights_.data());
  }

 private:
  std::vector<float> weights_;
  std::span<const std::uint32_t> indices_;
};

void dot_products(const SparseRowsView& a, const SparseRowsView& b, std::size_t dimension, std::size_t first, std::size_t last,
                  float* out) {
  ScatteredRow scattered(dimension);
  // Look-ups cost a step for each weight, so the side with shorter rows (queries) should do them; scattering costs some 4 steps a weight.
  const std::size_t weights_of_a = a.indptr[last] - a.indptr[first];
  const std::size_t weights_of_b = b.indices.size();
  const std::size_t steps_scattering_a = (last - first) * weights_of_b + 4 * weights_of_a;
  const std::size_t steps_scattering_b = b.rows() * weights_of_a + 4 * weights_of_b;
  if (steps_scattering_a <= steps_scattering_b) {
    for (std::size_t i = first; i < last; ++i) {
      scattered.set(a.row(i));
      for (std::size_t j = 0; j < b.rows(); ++j) out[i * b.rows() + j] = scattered.dot(b.row(j));
    }
  } else {
    for (std::size_t j = 0; j < b.rows(); ++j) {
      scattered.set(b.row(j));
      for (std::size_t i = first; i < last; ++i) out[i * b.rows() + j] = scattered.dot(a.row(i));
    }
  }
}

double norm(const SparseRow& row) {
  double squares = 0.0;
  for (const float value : row.values) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

/// Calls visit with the difference in each dimension that is active in one of the rows.
template <typename Visit>
void for_each_difference(const SparseRow& a, const SparseRow& b, Visit visit) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.indices.size() || j < b.indices.size()) {
    const bool take_a = j == b.indices.size() || (i < a.indices.size() && a.indices[i] <= b.indices[j]);
    const bool take_b = i == a.indices.size() || (j < b.indices.size() && b.indices[j] <= a.indices[i]);
    visit((take_a ? static_cast<double>(a.values[i]) : 0.0) - (take_b ? static_cast<double>(b.values[j]) : 0.0));
    i += take_a ? 1 : 0;
    j += take_b ? 1 : 0;
  }
}

double wide_dot(const SparseRow& a, const SparseRow& b) {
  double sum = 0.0;
  std::size_t j = 0;
  for (std::size_t i = 0; i < a.indices.size(); ++i) {
    while (j < b.indices.size() && b.indices[j] < a.indices[i]) ++j;
    if (j == b.indices.size()) break;
    if (b.indices[j] == a.indices[i]) sum += static_cast<double>(a.values[i]) * b.values[j];
  }
  return sum;
}

/// @param dot in float, which rows of very large or very small weights overflow or underflow though their cosine is ordinary
float cosine(float dot, const SparseRow& a, const SparseRow& b, double norm_a, double norm_b) {
  constexpr double kUnderflow = 1e-30;
  const double norms = norm_a * norm_b;
  if (!(norms > 0.0)) return 0.0f;
  const double product = std::isfinite(dot) && norms > kUnderflow ? dot : wide_dot(a, b);
  return static_cast<float>(product / norms);
}

float negative_distance(SimilarityFunction function, const SparseRow& a, const SparseRow& b) {
  double sum = 0.0;
  if (function == SimilarityFunction::kManhattan) {
    for_each_difference(a, b, [&](double difference) { sum += std::abs(difference); });
    return static_cast<float>(-sum);
  }
  for_each_difference(a, b, [&](double difference) { sum += difference * difference; });
  return static_cast<float>(-std::sqrt(sum));
}

bool is_distance(SimilarityFunction function) {
  return function == SimilarityFunction::kEuclidean || function == SimilarityFunction::kManhattan;
}

}  // namespace

std::optional<SimilarityFunction> similarity_function(std::string_view name) {
  if (name == "dot") return SimilarityFunction::kDot;
  if (name == "cosine") return SimilarityFunction::kCosine;
  if (name == "euclidean") return SimilarityFunction::kEuclidean;
  if (name == "manhattan") return SimilarityFunction::kManhattan;
  return std::nullopt;
}

void similarity(SimilarityFunction function, const SparseRowsView& a, const SparseRowsView& b, std::size_t dimension, std::size_t first,
                std::size_t last, float* out) {
  if (is_distance(function)) {
    for (std::size_t i = first; i < last; ++i) {
      for (std::size_t j = 0; j < b.rows(); ++j) out[i * b.rows() + j] = negative_distance(function, a.row(i), b.row(j));
    }
    return;
  }
  dot_products(a, b, dimension, first, last, out);
  if (function == SimilarityFunction::kDot) return;
  std::vector<double> norms_of_b(b.rows());
  for (std::size_t j = 0; j < b.rows(); ++j) norms_of_b[j] = norm(b.row(j));
  for (std::size_t i = first; i < last; ++i) {
    const double norm_of_a = norm(a.row(i));
    float* row = out + i * b.rows();
    for (std::size_t j = 0; j < b.rows(); ++j) row[j] = cosine(row[j], a.row(i), b.row(j), norm_of_a, norms_of_b[j]);
  }
}

void similarity_pairwise(SimilarityFunction function, const SparseRowsView& a, const SparseRowsView& b, std::size_t dimension,
                         std::size_t first, std::size_t last, float* out) {
  if (is_distance(function)) {
    for (std::size_t i = first; i < last; ++i) out[i] = negative_distance(function, a.row(i), b.row(i));
    return;
  }
  ScatteredRow scattered(dimension);
  for (std::size_t i = first; i < last; ++i) {
    scattered.set(a.row(i));
    out[i] = scattered.dot(b.row(i));
    if (function == SimilarityFunction::kCosine) out[i] = cosine(out[i], a.row(i), b.row(i), norm(a.row(i)), norm(b.row(i)));
  }
}

}  // namespace sparse_rerank
