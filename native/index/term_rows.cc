#include "index/term_rows.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace sparse_rerank {

namespace {

Error invalid(std::string message) {
  return {"ERR_INVALID_ARGUMENT", std::move(message)};
}

Status validate_terms(const StringsView& terms) {
  if (!terms.valid()) return invalid("the offsets of the terms do not fit their bytes");
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (terms[i].size() > kMaxTermBytes) {
      return invalid("term " + std::to_string(i) + " has " + std::to_string(terms[i].size()) + " bytes; a term has at most " +
                     std::to_string(kMaxTermBytes));
    }
  }
  const std::vector<std::uint32_t> order = by_bytes(terms);
  const auto equal =
      std::adjacent_find(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return terms.text(a) == terms.text(b); });
  if (equal != order.end()) {
    return invalid("terms " + std::to_string(equal[0]) + " and " + std::to_string(equal[1]) + " are equal; terms must be distinct");
  }
  return std::nullopt;
}

}  // namespace

Status validate(const TermRowsView& rows) {
  if (Status error = validate_terms(rows.terms)) return error;
  if (rows.indptr.empty() || rows.indptr.front() != 0 || rows.indptr.back() != rows.indices.size() ||
      rows.indices.size() != rows.counts.size() || !std::is_sorted(rows.indptr.begin(), rows.indptr.end())) {
    return invalid("the rows of terms do not fit their indices and counts");
  }
  // By term: one more than the last row that has it.
  std::vector<std::uint32_t> seen(rows.terms.size());
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    for (std::uint32_t i = rows.indptr[row]; i < rows.indptr[row + 1]; ++i) {
      const std::uint32_t index = rows.indices[i];
      const auto refuse = [&](const char* what) {
        return invalid("row " + std::to_string(row) + " of terms: index " + std::to_string(index) + what);
      };
      if (index >= seen.size()) return refuse(" is not below the number of terms");
      if (seen[index] == row + 1) return refuse(" is there twice");
      if (rows.counts[i] == 0) return refuse(" has the count 0");
      seen[index] = static_cast<std::uint32_t>(row + 1);
    }
  }
  return std::nullopt;
}

std::vector<std::uint32_t> by_bytes(const StringsView& terms) {
  std::vector<std::uint32_t> order(terms.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return terms.text(a) < terms.text(b); });
  return order;
}

BatchTerms::BatchTerms(const TermRowsView& rows) : rows_(rows), order_(by_bytes(rows.terms)) {
  std::vector<std::uint32_t> ordinals(order_.size());
  for (std::uint32_t ordinal = 0; ordinal < order_.size(); ++ordinal) ordinals[order_[ordinal]] = ordinal;
  terms_.reserve(rows.indices.size());
  counts_.reserve(rows.indices.size());
  lengths_.reserve(rows.rows());
  std::vector<std::pair<std::uint32_t, std::uint32_t>> row;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    row.clear();
    std::uint64_t length = 0;
    for (std::uint32_t j = rows.indptr[i]; j < rows.indptr[i + 1]; ++j) {
      row.emplace_back(ordinals[rows.indices[j]], rows.counts[j]);
      length += rows.counts[j];
    }
    std::sort(row.begin(), row.end());
    for (const auto& [ordinal, count] : row) {
      terms_.push_back(ordinal);
      counts_.push_back(static_cast<std::uint16_t>(std::min(count, kMaxTermCount)));
    }
    lengths_.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(length, std::numeric_limits<std::uint32_t>::max())));
  }
}

Result<std::optional<std::string_view>> BatchTerms::next_term() {
  if (next_ == order_.size()) return std::optional<std::string_view>();
  return std::optional(rows_.terms.text(order_[next_++]));
}

Result<TermRow> BatchTerms::term_row(std::uint32_t document) {
  const std::size_t first = rows_.indptr[document];
  const std::size_t count = rows_.indptr[document + 1] - first;
  return TermRow{std::span(terms_).subspan(first, count), std::span(counts_).subspan(first, count), lengths_[document]};
}

}  // namespace sparse_rerank
