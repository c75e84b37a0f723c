#include "inference/group_inputs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace sparse_rerank {
namespace {

/// Three sequences of different lengths, by which the members refer to them.
const Sequences kSequences{{5, 6, 7, 8, 9, 1, 11}, {0, 2, 5, 7}, {0, 1, 0, 0, 1, 0, 1}, {}, {}};
const std::vector<GroupMember> kGroup = {{1, 3, 0}, {0, 2, 0}, {2, 2, 0}};

template <typename T>
std::vector<T> values_of(const InputView& view) {
  std::vector<T> values(view.data.size() / sizeof(T));
  std::memcpy(values.data(), view.data.data(), view.data.size());
  return values;
}

std::vector<std::int64_t> shape_of(const InputView& view) {
  return {view.shape.begin(), view.shape.begin() + static_cast<std::ptrdiff_t>(view.rank)};
}

class GroupInputsOf : public testing::Test {
 protected:
  template <typename T>
  void expect(const GroupLayout& layout, SessionInput input, const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
    const auto views = inputs_.fill(layout, std::array{input}, kSequences, kGroup);
    ASSERT_EQ(views.size(), 1U);
    EXPECT_EQ(views[0].input, input);
    EXPECT_EQ(views[0].is_int32, sizeof(T) == 4);
    EXPECT_EQ(shape_of(views[0]), shape);
    EXPECT_EQ(values_of<T>(views[0]), values);
  }

  GroupInputs inputs_;
  GroupLayout padded_{.multiple = 4};
  GroupLayout packed_{.packed = true, .multiple = 4};
};

using Wide = std::vector<std::int64_t>;
using Narrow = std::vector<std::int32_t>;

TEST_F(GroupInputsOf, PaddedGroupsFillSequencesUp) {
  expect<std::int64_t>(padded_, SessionInput::kIds, {3, 4}, Wide{7, 8, 9, 0, 5, 6, 0, 0, 1, 11, 0, 0});
  expect<std::int64_t>(padded_, SessionInput::kTokenTypes, {3, 4}, Wide{0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0});
  expect<std::int64_t>(padded_, SessionInput::kMask, {3, 4}, Wide{1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0});
  expect<std::int64_t>(padded_, SessionInput::kPositions, {3, 4}, Wide{0, 1, 2, 0, 0, 1, 0, 0, 0, 1, 0, 0});
  expect<std::int32_t>(padded_, SessionInput::kKeyPadding, {11}, Narrow{3, 2, 2, 0, 4, 8, 12, 0, 4, 8, 12});
  expect<std::int32_t>(padded_, SessionInput::kFirstKeyPadding, {11}, Narrow{3, 2, 2, 0, 1, 2, 3, 0, 4, 8, 12});
}

TEST_F(GroupInputsOf, PackedGroupsHaveNoPadding) {
  expect<std::int64_t>(packed_, SessionInput::kIds, {1, 7}, Wide{7, 8, 9, 5, 6, 1, 11});
  expect<std::int64_t>(packed_, SessionInput::kTokenTypes, {1, 7}, Wide{0, 0, 1, 0, 1, 0, 1});
  expect<std::int64_t>(packed_, SessionInput::kPositions, {1, 7}, Wide{0, 1, 2, 0, 1, 0, 1});
  expect<std::int32_t>(packed_, SessionInput::kBounds, {4}, Narrow{0, 3, 5, 7});
  expect<std::int32_t>(packed_, SessionInput::kTokenOffset, {3, 4}, Narrow{0, 1, 2, 4, 5, 8, 9, 3, 6, 7, 10, 11});
}

TEST_F(GroupInputsOf, GroupsOfRowsRepeatTheFirstTokenOfShorterSequences) {
  expect<std::int32_t>(padded_, SessionInput::kGroupedRows, {8, 3, 1},
                       Narrow{0, 4, 8, 1, 5, 9, 2, 4, 8, 0, 4, 8, 0, 4, 8, 0, 4, 8, 0, 4, 8, 0, 4, 8});
  expect<std::int32_t>(packed_, SessionInput::kGroupedRows, {8, 3, 1},
                       Narrow{0, 3, 5, 1, 4, 6, 2, 3, 5, 0, 3, 5, 0, 3, 5, 0, 3, 5, 0, 3, 5, 0, 3, 5});
}

TEST_F(GroupInputsOf, PositionsMayCountAfterThePaddingTokenWhichATextCanContain) {
  padded_.positions_after = 1;
  expect<std::int64_t>(padded_, SessionInput::kPositions, {3, 4}, Wide{2, 3, 4, 0, 2, 3, 0, 0, 1, 2, 0, 0});
}

TEST_F(GroupInputsOf, PaddedLengthsStayWithinTheGraphsLimit) {
  padded_.max_length = 3;
  expect<std::int64_t>(padded_, SessionInput::kIds, {3, 3}, Wide{7, 8, 9, 5, 6, 0, 1, 11, 0});
  padded_.multiple = 1;
  padded_.max_length = 0;
  expect<std::int64_t>(padded_, SessionInput::kIds, {3, 3}, Wide{7, 8, 9, 5, 6, 0, 1, 11, 0});
}

TEST_F(GroupInputsOf, LaterGroupsFindNothingOfEarlierOnes) {
  const Sequences longer{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {0, 9}, {}, {}, {}};
  const std::vector<GroupMember> group = {{0, 9, 0}};
  const std::array wanted = {SessionInput::kIds, SessionInput::kGroupedRows};
  const auto views = inputs_.fill(packed_, wanted, longer, group);
  EXPECT_EQ(shape_of(views[0]), (Wide{1, 9}));
  EXPECT_EQ(shape_of(views[1]), (Wide{8, 1, 2}));
  EXPECT_EQ(values_of<std::int32_t>(views[1]), (Narrow{0, 8, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0}));
  expect<std::int64_t>(packed_, SessionInput::kIds, {1, 7}, Wide{7, 8, 9, 5, 6, 1, 11});
  expect<std::int64_t>(padded_, SessionInput::kIds, {3, 4}, Wide{7, 8, 9, 0, 5, 6, 0, 0, 1, 11, 0, 0});
}

TEST(InputNames, AreThoseOfTheGraphs) {
  EXPECT_EQ(input_named("input_ids"), SessionInput::kIds);
  EXPECT_EQ(input_named("grouped_rows"), SessionInput::kGroupedRows);
  EXPECT_EQ(input_named("logits"), std::nullopt);
}

}  // namespace
}  // namespace sparse_rerank
