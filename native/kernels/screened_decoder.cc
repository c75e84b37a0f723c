#include "kernels/screened_decoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

constexpr std::size_t kBytesPerWord = 4;
constexpr int kTokenLimit = 127;
/// Tokens whose mean becomes the center. With splade-tiny and texts of 128 tokens, 1.29 % of the entries survive without a center and
/// 1.00 % with this one, the same as with the mean of 48,000 tokens; 0.66 % are positive.
constexpr std::size_t kLearningTokens = 1024;

/// Half the distance from 1 to the next float: the relative error of one rounding.
constexpr double kUnit = 0x1p-24;
/// Relative slack for the handful of fp32 operations that evaluate a bound.
constexpr double kEvaluation = 0x1p-20;
/// Absolute slack for everything that underflows, including where denormals are flushed to zero.
constexpr double kUnderflow = 0x1p-100;
/// Rows and states below this do not get a scale: its products would underflow.
constexpr float kTiny = 1e-20f;
/// Largest |token| |row| for which no sum of decoder_max, and no term of a bound, can overflow.
constexpr double kHuge = 1e37;

/// A float that is not below `x`; infinity for NaN, so that its entry survives.
float round_up(double x) {
  if (!(x < kHuge)) return std::numeric_limits<float>::infinity();
  const float rounded = static_cast<float>(std::max(x, -kHuge));
  return rounded < x ? std::nextafter(rounded, std::numeric_limits<float>::infinity()) : rounded;
}

// Independent partial sums, which compilers keep in vector registers.
constexpr std::size_t kLanes = 8;

std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

double total(const double (&lanes)[kLanes]) {
  return std::accumulate(std::begin(lanes), std::end(lanes), 0.0);
}

double dot(const float* a, const float* b, std::size_t n) {
  double lanes[kLanes] = {};
  std::size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(a[k + l]) * static_cast<double>(b[k + l]);
  }
  for (; k < n; ++k) lanes[0] += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return total(lanes);
}

/// The largest magnitude; NaN counts as above infinity.
float largest_magnitude(const float* values, std::size_t n) {
  std::int32_t largest = 0;
  for (std::size_t k = 0; k < n; ++k) largest = std::max(largest, std::bit_cast<std::int32_t>(values[k]) & 0x7fffffff);
  return std::bit_cast<float>(largest);
}

void subtract(const float* values, const float* centre, std::size_t n, float* centred) {
  for (std::size_t k = 0; k < n; ++k) centred[k] = values[k] - centre[k];
}

struct Quantised {
  /// The squared length of the integers, and that of their rounding errors.
  double square = 0;
  double residual_square = 0;
};

/// bytes[k] = values[k] as a multiple of `scale`, plus `offset`; n is a multiple of kLanes.
Quantised quantise_row(const float* values, std::size_t n, float scale, float inverse, int offset, std::uint8_t* bytes) {
  std::int32_t squares[kLanes] = {};
  double residuals[kLanes] = {};
  for (std::size_t begin = 0; begin < n; begin += kLanes) {
    std::int32_t quantised[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float multiple = values[begin + l] * inverse;
      quantised[l] = static_cast<std::int32_t>(multiple + std::copysign(0.5f, multiple));
    }
    for (std::size_t l = 0; l < kLanes; ++l) bytes[begin + l] = static_cast<std::uint8_t>(quantised[l] + offset);
    for (std::size_t l = 0; l < kLanes; ++l) squares[l] += quantised[l] * quantised[l];
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double residual = static_cast<double>(values[begin + l]) - static_cast<double>(scale) * static_cast<double>(quantised[l]);
      residuals[l] += residual * residual;
    }
  }
  return {static_cast<double>(std::accumulate(std::begin(squares), std::end(squares), std::int64_t{0})), total(residuals)};
}

}  // namespace

ScreenedDecoder::ScreenedDecoder(const KernelTable& kernels, std::span<const float> decoder, std::span<const float> bias,
                                 std::size_t hidden)
    : kernel_(*kernels.screen),
      decoder_(decoder),
      bias_(bias),
      hidden_(hidden),
      padded_(round_up(hidden, std::max(kLanes, kernel_.step_block * kBytesPerWord))),
      steps_(round_up((hidden + kBytesPerWord - 1) / kBytesPerWord, kernel_.step_block)),
      panels_((bias.size() + kernel_.panel - 1) / kernel_.panel) {
  const std::size_t columns = panels_ * kernel_.panel;
  weights_ = AlignedBuffer<std::uint32_t>(columns * steps_);
  corrections_ = AlignedBuffer<std::uint32_t>(columns);
  scales_ = AlignedBuffer<float>(columns);
  errors_ = AlignedBuffer<float>(columns);
  norms_ = AlignedBuffer<float>(columns);
  // Columns past the vocabulary stay zero.
  std::fill(weights_.end() - kernel_.panel * steps_, weights_.end(), 0u);
  std::fill(corrections_.begin(), corrections_.end(), 0u);
  for (AlignedBuffer<float>* terms : {&scales_, &errors_, &norms_}) std::fill(terms->begin(), terms->end(), 0.0f);
  pack_rows();
  origin_ = make_centre(std::vector<float>(hidden));
  centre_.store(origin_.get(), std::memory_order_relaxed);
}

void ScreenedDecoder::pack_rows() {
  const auto limit = static_cast<float>(kernel_.weight_limit);
  std::vector<float> row(padded_);
  AlignedBuffer<std::uint8_t> bytes(padded_);
  for (std::size_t v = 0; v < bias_.size(); ++v) {
    std::copy_n(decoder_.data() + v * hidden_, hidden_, row.begin());
    const double norm = std::sqrt(dot(row.data(), row.data(), hidden_)) * (1 + kEvaluation);
    const float largest = largest_magnitude(row.data(), hidden_);
    norms_[v] = round_up(norm);
    if (norm < kHuge) largest_norm_ = std::max(largest_norm_, norm);
    // With an infinite norm the entry always survives; with a small one it is ruled out without integers.
    const bool scaled = norm < kHuge && largest >= kTiny;
    scales_[v] = scaled ? largest / limit : 0.0f;
    if (scaled) {
      const Quantised quantised = quantise_row(row.data(), row.size(), scales_[v], 1.0f / scales_[v], 0, bytes.data());
      errors_[v] = round_up(std::sqrt(quantised.residual_square) * (1 + kEvaluation));
    } else {
      std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
      errors_[v] = norms_[v];
    }
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < hidden_; ++k) sum += static_cast<std::int8_t>(bytes[k]);
    corrections_[v] = static_cast<std::uint32_t>(sum * kernel_.token_offset);
    const std::size_t column = v % kernel_.panel;
    kernel_.pack_entry(reinterpret_cast<const std::uint32_t*>(bytes.data()), steps_, column, weights_.data() + (v - column) * steps_);
  }
}

std::unique_ptr<const ScreenedDecoder::Centre> ScreenedDecoder::make_centre(std::vector<float> mean) const {
  auto centre = std::make_unique<Centre>();
  centre->norm = std::sqrt(dot(mean.data(), mean.data(), hidden_));
  centre->offsets = AlignedBuffer<float>(norms_.size());
  std::fill(centre->offsets.begin(), centre->offsets.end(), -1.0f);
  for (std::size_t v = 0; v < bias_.size(); ++v) {
    const auto bias = static_cast<double>(bias_[v]);
    // The error of the sum in double is 2^-53 per term.
    const double product = centre->norm == 0 ? 0 : dot(mean.data(), decoder_.data() + v * hidden_, hidden_);
    const double rounding = static_cast<double>(hidden_ + 2) * 0x1p-52 * (std::abs(bias) + centre->norm * static_cast<double>(norms_[v]));
    const double offset = bias + product;
    centre->offsets[v] = round_up(offset + rounding + kEvaluation * std::abs(offset) + kUnderflow);
  }
  centre->mean = std::move(mean);
  return centre;
}

std::size_t ScreenedDecoder::bytes() const {
  // At most two sets of offsets: at the origin and at the learned mean.
  return weights_.size() * sizeof(std::uint32_t) + corrections_.size() * (sizeof(std::uint32_t) + 5 * sizeof(float));
}

void ScreenedDecoder::screen(const float* hidden_states, std::size_t tokens, Scratch& scratch,
                             std::vector<std::uint32_t>& survivors) const {
  survivors.clear();
  const Centre& centre = *centre_.load(std::memory_order_acquire);
  ScreenTerms terms;
  if (!quantise(hidden_states, tokens, centre, scratch, terms)) {
    survivors.resize(bias_.size());
    std::iota(survivors.begin(), survivors.end(), 0u);
    return;
  }
  const std::size_t width = kernel_.panel;
  scratch.bounds_.reserve_discarding(ScreenKernel::kMostPanels * width);
  const float* const bounds = scratch.bounds_.data();
  for (std::size_t p = 0; p < panels_; p += ScreenKernel::kMostPanels) {
    const std::size_t first = p * width;
    const ScreenPanels panels = {.count = std::min(ScreenKernel::kMostPanels, panels_ - p),
                                 .weights = weights_.data() + first * steps_,
                                 .corrections = corrections_.data() + first,
                                 .offsets = centre.offsets.data() + first,
                                 .scales = scales_.data() + first,
                                 .errors = errors_.data() + first,
                                 .norms = norms_.data() + first};
    std::uint32_t above = kernel_.bound_panels(panels, scratch.blocks_.data(), tokens, steps_, terms, scratch.bounds_.data());
    for (; above != 0; above &= above - 1) {
      const std::size_t begin = static_cast<std::size_t>(std::countr_zero(above)) * width;
      const std::size_t end = std::min(begin + width, bias_.size() - first);
      for (std::size_t j = begin; j < end; ++j) {
        if (!(bounds[j] <= 0.0f)) survivors.push_back(static_cast<std::uint32_t>(first + j));
      }
    }
  }
  if (&centre == origin_.get()) observe(hidden_states, tokens);
}

bool ScreenedDecoder::quantise(const float* hidden_states, std::size_t tokens, const Centre& centre, Scratch& scratch,
                               ScreenTerms& terms) const {
  const float* mean = centre.mean.data();
  scratch.centred_.reserve_discarding(padded_);
  scratch.bytes_.reserve_discarding(padded_);
  float* centred = scratch.centred_.data();
  std::fill(centred + hidden_, centred + padded_, 0.0f);
  float largest = 0;
  for (std::size_t t = 0; t < tokens; ++t) {
    subtract(hidden_states + t * hidden_, mean, hidden_, centred);
    const float magnitude = largest_magnitude(centred, hidden_);
    if (!(magnitude <= std::numeric_limits<float>::max())) return false;
    largest = std::max(largest, magnitude);
  }
  const bool tiny = largest < kTiny;
  const float scale = tiny ? 0.0f : largest / kTokenLimit;
  const float inverse = tiny ? 0.0f : 1.0f / scale;

  const std::size_t width = kernel_.token_block;
  const std::size_t columns = round_up(tokens, width);
  scratch.blocks_.reserve_discarding(columns * steps_);
  Quantised worst;
  for (std::size_t t = 0; t < columns; ++t) {
    if (t < tokens) {
      subtract(hidden_states + t * hidden_, mean, hidden_, centred);
      const Quantised token = quantise_row(centred, padded_, scale, inverse, kernel_.token_offset, scratch.bytes_.data());
      worst.square = std::max(worst.square, token.square);
      worst.residual_square = std::max(worst.residual_square, token.residual_square);
    }
    const std::size_t column = t % width;
    std::uint32_t* const block = scratch.blocks_.data() + (t - column) * steps_;
    kernel_.pack_token(reinterpret_cast<const std::uint32_t*>(scratch.bytes_.data()), steps_, column, block);
  }

  const double norm = std::sqrt(worst.square) * static_cast<double>(scale);
  const double residual = std::sqrt(worst.residual_square);
  const double states_norm = norm + residual + centre.norm;
  if (!(states_norm < kHuge) || !(states_norm * largest_norm_ < kHuge)) return false;
  // A sum of n fused or separate steps has an error of n units relative to |token| |row|; subtracting the mean costs one more.
  const double sums = 1.01 * static_cast<double>(hidden_ + 16) * kUnit * states_norm;
  terms.scale = scale;
  terms.norm = round_up(norm * (1 + kEvaluation));
  terms.error = round_up(residual * (1 + kEvaluation) + sums + kEvaluation * norm + kUnderflow);
  return true;
}

void ScreenedDecoder::observe(const float* hidden_states, std::size_t tokens) const {
  const std::unique_lock<std::mutex> lock(learning_, std::try_to_lock);
  if (!lock || learnt_ != nullptr) return;
  sums_.resize(hidden_);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t k = 0; k < hidden_; ++k) sums_[k] += static_cast<double>(hidden_states[t * hidden_ + k]);
  }
  observed_ += tokens;
  if (observed_ < kLearningTokens) return;
  std::vector<float> mean(hidden_);
  for (std::size_t k = 0; k < hidden_; ++k) mean[k] = static_cast<float>(sums_[k] / static_cast<double>(observed_));
  learnt_ = make_centre(std::move(mean));
  centre_.store(learnt_.get(), std::memory_order_release);
}

}  // namespace sparse_rerank
