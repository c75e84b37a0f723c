#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "index/lexical_search.h"
#include "index/segmented_index.h"
#include "test/index_fixture.h"

namespace sparse_rerank {

/// How often a document has each term.
using TermCounts = std::map<std::string, std::uint32_t>;

/// Term rows that own their memory. Terms are numbered as they come.
struct TestTerms {
  TestStrings terms;
  std::vector<std::uint32_t> indptr = {0};
  std::vector<std::uint32_t> indices;
  std::vector<std::uint32_t> counts;

  TestTerms() = default;
  explicit TestTerms(const std::vector<TermCounts>& rows) {
    for (const TermCounts& row : rows) push(row);
  }
  void push(const TermCounts& row) {
    // Backwards: the order within a row is free.
    for (auto entry = row.rbegin(); entry != row.rend(); ++entry) {
      const auto [known, is_new] = numbers_.try_emplace(entry->first, static_cast<std::uint32_t>(numbers_.size()));
      if (is_new) {
        terms.bytes += entry->first;
        terms.offsets.push_back(static_cast<std::uint32_t>(terms.bytes.size()));
      }
      indices.push_back(known->second);
      counts.push_back(entry->second);
    }
    indptr.push_back(static_cast<std::uint32_t>(indices.size()));
  }
  [[nodiscard]] TermRowsView view() const { return {terms.view(), indptr, indices, counts}; }

 private:
  std::map<std::string, std::uint32_t> numbers_;
};

/// A term of rank r among `vocabulary`, with a probability of about 1 / r.
inline std::string zipf_term(std::mt19937& random, std::uint32_t vocabulary) {
  const std::uint32_t bound = 1 + static_cast<std::uint32_t>(random() % vocabulary);
  return std::string("t") + std::to_string(random() % bound);
}

/// Documents of up to `longest` words.
inline std::vector<TermCounts> random_documents(std::mt19937& random, std::size_t count, std::uint32_t vocabulary, std::size_t longest) {
  std::vector<TermCounts> documents(count);
  for (TermCounts& document : documents) {
    for (std::size_t words = random() % (longest + 1); words > 0; --words) ++document[zipf_term(random, vocabulary)];
  }
  return documents;
}

/// One vector for each document: lexical tests need none, but every document has one.
inline TestRows small_rows(std::size_t count) {
  TestRows rows;
  for (std::size_t i = 0; i < count; ++i) rows.push({{static_cast<std::uint32_t>(i % 7), 1.0f}});
  return rows;
}

inline void add(SegmentedIndex& index, const std::vector<TermCounts>& documents, const std::vector<std::string>& ids,
                const AttributesView& attributes = {}) {
  const TestRows rows = small_rows(documents.size());
  const TestStrings strings(ids);
  const TestTerms terms(documents);
  const Status error = index.add({rows.view(), strings.view(), {}, attributes, terms.view()});
  ASSERT_FALSE(error) << error->message;
}

/// Ids and scores; the first error's code in place of hits.
inline Found search_terms(const SegmentedIndex& index, const TermCounts& query, std::size_t k, const FilterView* filter = nullptr) {
  const TestTerms rows({query});
  const auto snapshot = index.snapshot();
  Exclusions exclusions = snapshot->removed();
  if (filter != nullptr) {
    auto others = snapshot->all_but(*filter);
    EXPECT_TRUE(others.ok());
    exclusions = others.value();
  }
  SearchScratch scratch;
  std::vector<Hit> hits = {{7, 7.0f}};  // replaced
  const Status error = search_terms(*snapshot, lexical_query(rows.view(), 0), k, exclusions, scratch, hits, nullptr);
  if (error) return {{error->code, 0.0f}};
  return found_of(*snapshot, hits);
}

/// BM25 by its definition, without an index.
class NaiveBm25 {
 public:
  explicit NaiveBm25(Bm25 bm25) : bm25_(bm25) {}

  void add(const std::vector<TermCounts>& documents, const std::vector<std::string>& ids) {
    remove(ids);
    for (std::size_t i = 0; i < documents.size(); ++i) {
      double length = 0.0;
      for (const auto& [term, count] : documents[i]) length += count;
      documents_.push_back({ids[i], documents[i], length});
    }
  }
  std::size_t remove(const std::vector<std::string>& ids) {
    const std::set<std::string> gone(ids.begin(), ids.end());
    return std::erase_if(documents_, [&](const auto& document) { return gone.contains(document.id); });
  }
  [[nodiscard]] std::size_t size() const { return documents_.size(); }

  /// @param allowed ids that may be found; all without it
  [[nodiscard]] Found search(const TermCounts& query, std::size_t k, const std::set<std::string>* allowed = nullptr) const {
    double total = 0.0;
    std::map<std::string, double> having;
    for (const auto& [id, terms, length] : documents_) {
      total += length;
      for (const auto& [term, count] : query) having[term] += terms.contains(term) ? 1.0 : 0.0;
    }
    const auto n = static_cast<double>(documents_.size());
    Found found;
    for (const auto& [id, terms, length] : documents_) {
      if (allowed != nullptr && !allowed->contains(id)) continue;
      double score = 0.0;
      for (const auto& [term, count] : query) {
        const auto own = terms.find(term);
        if (own == terms.end()) continue;
        const double df = having[term];
        const double weight = count * std::log(1.0 + (n - df + 0.5) / (df + 0.5));
        const double tf = std::min(own->second, 65535u);
        score += weight * (tf / (tf + bm25_.k1 * ((1.0 - bm25_.b) + bm25_.b * (length / (total / n)))));
      }
      if (score > 0.0) found.emplace_back(id, static_cast<float>(score));
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    found.resize(std::min(k, found.size()));
    return found;
  }

 private:
  struct Document {
    std::string id;
    TermCounts terms;
    double length = 0.0;
  };

  Bm25 bm25_;
  std::vector<Document> documents_;
};

}  // namespace sparse_rerank
