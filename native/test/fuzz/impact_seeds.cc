// Writes small segments with impact-ordered lists, which only large ones get otherwise, as seeds for segment_fuzz.cc.
// usage: impact_seeds FOLDER

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "index/segment_footer.h"
#include "index/segment_merge.h"

namespace sparse_rerank {
namespace {

/// Documents with a few terms of different weights.
class SeedRows final : public RowSource {
 public:
  explicit SeedRows(std::uint32_t documents) : documents_(documents) {}

  [[nodiscard]] std::uint32_t documents() const override { return documents_; }
  [[nodiscard]] Result<SparseRow> row(std::uint32_t document) override {
    indices_ = {0, 1 + document % 7, 10 + document % 20, 39};
    values_ = {1.0f + static_cast<float>(document % 5), 0.5f, 0.25f * static_cast<float>(1 + document % 9), 2.0f};
    return SparseRow{indices_, values_};
  }
  [[nodiscard]] Result<std::string_view> id(std::uint32_t document) override {
    id_ = std::to_string(document);
    return std::string_view(id_);
  }
  [[nodiscard]] Result<std::span<const std::byte>> stored(std::uint32_t) override { return std::span<const std::byte>(); }
  [[nodiscard]] Result<std::optional<Attribute>> next_attribute() override { return std::optional<Attribute>(); }
  [[nodiscard]] TermSource* terms() override { return nullptr; }

 private:
  const std::uint32_t documents_;
  std::vector<std::uint32_t> indices_;
  std::vector<float> values_;
  std::string id_;
};

/// A segment this small is not calibrated: its levels are written as if it were.
Status write_seed(std::uint32_t documents, const ImpactBounds& bounds, const std::string& path) {
  SeedRows rows(documents);
  Result<FileWriter> file = FileWriter::create(path);
  if (!file) return file.error();
  FileSink sink(std::move(file).value());
  SegmentWriter writer({50, std::nullopt}, rows, sink, bounds);
  while (true) {
    const Result<bool> done = writer.step();
    if (!done) return done.error();
    if (done.value()) break;
  }
  SegmentFooter footer = sink.footer();
  footer.impacts.levels.fill({100, 0.5f, 0.9f, 0.0f});
  footer.impacts.exact_cost = 1.0f;
  return sink.amend(footer);
}

}  // namespace
}  // namespace sparse_rerank

int main(int count, char** arguments) {
  using namespace sparse_rerank;
  if (count != 2) return 2;
  const std::string folder = arguments[1];
  for (const Status& error :
       {write_seed(60, {1, 1000, 1000}, folder + "/impacts-whole"), write_seed(200, {1, 10, 15}, folder + "/impacts-cut")}) {
    if (!error) continue;
    std::fprintf(stderr, "%s\n", error->message.c_str());
    return 1;
  }
  return 0;
}
