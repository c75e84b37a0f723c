#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "index/bm25.h"

/// The bytes of a segment, in memory and in files; docs/sparse-index-format.md explains them. Little-endian; every region starts at a
/// multiple of 8.
namespace sparse_rerank {

/// "SPRKSEG\0" as a number in memory order, at the beginning and the end of a segment.
inline constexpr std::uint64_t kSegmentMagic = 0x004745534B525053;
/// Grows when the footer's own form changes: what it lists has versions of its own.
inline constexpr std::uint64_t kSegmentVersion = 4;
/// The only older one that is read: see segment_footer.h.
inline constexpr std::uint64_t kOldestSegmentVersion = 3;

/// Contents are checked page by page, when they are first used.
inline constexpr std::size_t kPageBytes = std::size_t{1} << 16;

/// Documents of a chunk at most: 16 bits number them within it, and their score bounds (128 KiB) stay in the L2 cache.
inline constexpr std::uint32_t kChunkDocuments = 1u << 16;
/// Documents whose weights of a term share one mask. A chunk begins at a multiple of it.
inline constexpr std::uint32_t kGroupDocuments = 64;
/// Weights of a chunk at most, but for a chunk of one group: bounds the memory that building takes.
inline constexpr std::uint64_t kChunkPostings = std::uint64_t{1} << 24;
/// Up to this dimension the terms of rows have 16 bits.
inline constexpr std::size_t kNarrowTerms = std::size_t{1} << 16;
/// Zero bytes after the postings: kernels read beyond a list's end.
inline constexpr std::size_t kPostingPadding = 128;

/// Each is a section of the file, of the kind kFirstRegionKind plus its number here: new ones come last.
enum Region : std::size_t {
  /// Chunk[chunks].
  kChunks,
  /// u32[terms], ascending: the terms that have postings.
  kTerms,
  /// TermRange[terms].
  kRanges,
  /// PostingEntry[chunks][terms].
  kEntries,
  /// The lists that the entries tell of, then padding.
  kPostings,
  /// u64[documents + 1]: row i of the forward index is [offsets[i], offsets[i + 1]) of the next two.
  kRowOffsets,
  /// u16[weights], or u32[weights] when wide.
  kRowTerms,
  /// f32[weights].
  kRowWeights,
  /// u64[documents + 1]: id i is [offsets[i], offsets[i + 1]) of kIdBytes.
  kIdOffsets,
  kIdBytes,
  /// IdSlot[id_slots], a hash table with linear probing.
  kIdTable,
  /// u64[documents + 1] and bytes: what was stored with each document. Both empty when nothing was.
  kStoredOffsets,
  kStoredBytes,
  /// AttributeEntry[attributes], ascending by the bytes of their names.
  kAttributes,
  /// What the entries tell of.
  kAttributeData,

  // The lexical side; pages of checksums begin anew with the first of its regions in the file, so that damage there harms nothing else.
  /// Chunk[lexical chunks].
  kLexicalChunks,
  /// u64[lexical terms + 1]: term i is [offsets[i], offsets[i + 1]) of kTermBytes. Ascending by their bytes.
  kTermOffsets,
  kTermBytes,
  /// u32[lexical terms]: documents that have the term, 1 at least.
  kTermDocuments,
  /// f32[lexical terms]: the largest impact of the term (see Bm25), above 0.
  kTermImpacts,
  /// u64[lexical terms + 1]: the lists of term i are [offsets[i], offsets[i + 1]) of kLexicalEntries.
  kLexicalEntryOffsets,
  /// LexicalEntry[lexical entries], for each term in ascending order of chunks.
  kLexicalEntries,
  /// As kPostings; a weight is ceil(impact * 255 / largest impact of the term).
  kLexicalPostings,
  /// u64[documents + 1]: the terms of document i are [offsets[i], offsets[i + 1]) of the next two.
  kFrequencyOffsets,
  /// u16[frequencies], or u32[frequencies] when there are more than kNarrowTerms terms: ascending in each document.
  kFrequencyTerms,
  /// u16[frequencies]: how often the document has the term, 65535 for more.
  kFrequencyCounts,
  /// u32[documents]: the sum of all counts of a document.
  kLengths,
  kRegionCount,
};
inline constexpr std::size_t kVersion3Regions = kLexicalChunks;

struct Chunk {
  std::uint32_t first;
  std::uint32_t documents;
};

/// The largest weight of a term, or 0, and the smallest, or 0.
struct TermRange {
  float largest;
  float smallest;
};

/// Where the positive weights of a term in a chunk lie, quantized to ceil(weight * 255 / largest).
struct PostingEntry {
  /// From the beginning of kPostings.
  std::uint64_t offset;
  std::uint32_t count;
  /// 0: u16 documents[count], u8 weights[count]. 1: u64 masks[ceil(chunk's documents / 64)], u8 weights[count].
  std::uint32_t masked;
};

/// Where the weights of a term in one chunk lie: see PostingEntry.
struct LexicalEntry {
  std::uint64_t offset;
  std::uint32_t count;
  /// Twice the chunk's number, plus 1 when masked.
  std::uint32_t chunk_and_form;
};

struct IdSlot {
  /// The upper half of the id's XXH64; the lower half, modulo id_slots, says where probing starts.
  std::uint32_t tag;
  /// One more than the document, 0 for an empty slot.
  std::uint32_t document;
};

/// In kAttributeData: the name, zeros up to a multiple of 4, u32 documents[documents], ascending.
struct AttributeEntry {
  /// From the beginning of kAttributeData, a multiple of 4.
  std::uint64_t offset;
  std::uint32_t name_bytes;
  std::uint32_t documents;
};

struct RegionRange {
  std::uint64_t offset;
  std::uint64_t bytes;
};

/// What an approximate search leaves out; {1, 1} is exact. Query-term pruning with an over-estimated threshold: see docs/decisions/0009.
struct Pruning {
  /// Only terms of the largest possible contributions enter the bounds: those that make up this part of all contributions together.
  float share = 1.0f;
  /// A document is scored if its bound reaches this part of the k-th best score.
  float threshold = 1.0f;
};

/// A pruning and the recall that it had on this segment: see Calibration.
struct PruningLevel {
  Pruning pruning;
  /// 0 when it was not measured.
  float recall = 0.0f;
};

inline constexpr std::size_t kPruningLevels = 8;
/// Cheaper from level to level.
using PruningLevels = std::array<PruningLevel, kPruningLevels>;

struct SegmentCounts {
  std::uint64_t dimension;
  std::uint64_t documents;
  /// Weights in the forward index.
  std::uint64_t weights;
  std::uint64_t terms;
  std::uint64_t chunks;
  std::uint64_t id_slots;
  /// 1 when row terms have 32 bits: the dimension is above 65536.
  std::uint64_t wide;
};

struct LexicalCounts {
  Bm25 bm25;
  /// Of the documents when the segment was built: what impacts are computed with. 1 when they have no terms.
  double average_length;
  /// The sum of kLengths.
  std::uint64_t total_length;
  std::uint64_t terms;
  /// Of the forward index: terms of documents, each counted once for each document.
  std::uint64_t frequencies;
  std::uint64_t chunks;
  std::uint64_t entries;
};

/// What a segment's footer says: segment_footer.h has its bytes.
struct SegmentFooter {
  SegmentCounts counts;
  std::optional<LexicalCounts> lexical;
  /// Those of no bytes are left out of files.
  std::array<RegionRange, kRegionCount> regions;
  PruningLevels levels;
};

/// The last bytes of a file. Before them: u64[pages], the XXH64 of every page of what lies before `tail`, and the footer.
struct SegmentTrailer {
  std::uint64_t tail;
  /// XXH64 of the bytes from `tail` to the trailer.
  std::uint64_t checksum;
  std::uint64_t version;
  std::uint64_t magic;
};

constexpr std::uint32_t groups_of(std::uint32_t documents) {
  return (documents + kGroupDocuments - 1) / kGroupDocuments;
}

/// A list is masked when its weights are at least this part of the chunk's documents: there it is faster. It is also smaller from one in 16
/// on.
inline constexpr std::uint32_t kMaskedShare = 24;

inline constexpr std::size_t kWeightLevels = 255;

}  // namespace sparse_rerank
