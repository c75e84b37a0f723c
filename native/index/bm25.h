#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sparse_rerank {

/// BM25 (Robertson & Zaragoza 2009), as Lucene 8 and later compute it: without the constant factor k1 + 1.
///
/// The score of a document is the sum, over the query's terms in ascending order of their bytes, of weight * impact, in double precision
/// and rounded to float32 once, where a term's weight is its count in the query times its idf. N, df and the average length are those of
/// the documents that are in the index at that moment.
struct Bm25 {
  double k1 = 1.2;
  double b = 0.75;

  bool operator==(const Bm25&) const = default;

  /// k1 up to 1000, so that no score underflows; b in [0, 1].
  [[nodiscard]] bool valid() const { return k1 >= 0.0 && k1 <= 1000.0 && b >= 0.0 && b <= 1.0; }

  /// What length adds to the denominator of an impact.
  [[nodiscard]] double norm(std::uint32_t length, double average_length) const {
    return k1 * ((1.0 - b) + b * (static_cast<double>(length) / average_length));
  }
  /// Of a term that occurs `count` times: above 0, at most 1.
  [[nodiscard]] static double impact(std::uint32_t count, double norm) {
    const auto frequency = static_cast<double>(count);
    return frequency / (frequency + norm);
  }
  /// impact() with `average_length` is at most so many times that with `reference`: it falls with the length's part of the average.
  [[nodiscard]] double impact_ratio(double average_length, double reference) const {
    return b == 0.0 || k1 == 0.0 || average_length <= reference ? 1.0 : average_length / reference;
  }
  /// @param documents N, at least `having`
  [[nodiscard]] static double idf(std::uint64_t documents, std::uint64_t having) {
    const auto df = static_cast<double>(having);
    return std::log(1.0 + (static_cast<double>(documents) - df + 0.5) / (df + 0.5));
  }
};

/// What an index is made with; fixed for its life.
struct IndexSettings {
  std::size_t dimension = 0;
  /// Set when the index has a lexical side.
  std::optional<Bm25> lexical;

  bool operator==(const IndexSettings&) const = default;
};

}  // namespace sparse_rerank
