#include "index/merged_terms.h"

#include <utility>

namespace sparse_rerank {

MergedTerms::MergedTerms(const std::vector<IndexSegment>& segments, const std::vector<Location>& origins) : origins_(origins) {
  cursors_.reserve(segments.size());
  for (const IndexSegment& segment : segments) cursors_.push_back({segment.segment->lexical(), {}, std::nullopt});
}

Status MergedTerms::advance(Cursor& cursor) const {
  const std::optional<std::string_view> before = cursor.term;
  cursor.term.reset();
  if (cursor.numbers.size() == cursor.lexical->terms()) return std::nullopt;
  const Result<std::string_view> term = cursor.lexical->term(cursor.numbers.size());
  if (!term) return term.error();
  if (before && term.value() <= *before) return cursor.lexical->corrupt("its terms are not in order");
  cursor.term = term.value();
  return std::nullopt;
}

Result<std::optional<std::string_view>> MergedTerms::next_term() {
  if (!begun_) {
    begun_ = true;
    for (Cursor& cursor : cursors_) {
      if (Status error = advance(cursor)) return *std::move(error);
    }
  }
  std::optional<std::string_view> least;
  for (const Cursor& cursor : cursors_) {
    if (cursor.term && (!least || *cursor.term < *least)) least = cursor.term;
  }
  if (!least) return least;
  for (Cursor& cursor : cursors_) {
    if (cursor.term != least) continue;
    cursor.numbers.push_back(next_);
    if (Status error = advance(cursor)) return *std::move(error);
  }
  ++next_;
  return least;
}

Result<std::uint32_t> MergedTerms::length(std::uint32_t document) {
  const auto [segment, place] = origins_[document];
  return cursors_[segment].lexical->length(place);
}

Result<TermRow> MergedTerms::term_row(std::uint32_t document) {
  const auto [segment, place] = origins_[document];
  const Cursor& cursor = cursors_[segment];
  Result<TermRow> row = cursor.lexical->row(place, terms_);
  if (!row) return row;
  for (std::uint32_t& term : terms_) term = cursor.numbers[term];
  return row;
}

}  // namespace sparse_rerank
