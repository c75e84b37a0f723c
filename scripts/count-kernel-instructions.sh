#!/usr/bin/env bash
# Counts the instructions of the AVX2 kernels under callgrind and compares them with native/test/kernel-counts.txt: a guard against a compiler
# flag or a code change that makes a kernel spill registers, lose its vector loop or do its work twice. Counts do not depend on the
# machine's load; the tolerance is for other compilers. Covers only these kernels: Valgrind supports neither AVX-512 nor AVX-VNNI, whose
# kernels have the same source, and the compiled scalar kernels differ between compiler versions.
# usage: count-kernel-instructions.sh [--write]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

expected=native/test/kernel-counts.txt
tolerance=15 # percent; clang 19 is within 8 of gcc 12

if [ "$(uname -m)" != x86_64 ] || ! grep -qw avx2 /proc/cpuinfo; then
  echo "Skipped: this machine has no AVX2."
  exit 0
fi
build=$(native_test_folder)
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --target kernel_counts --parallel "$(processors)" >/dev/null

count() {
  local output
  if ! output=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=counted_kernel "$build/kernel_counts" avx2 "$1" 2>&1); then
    echo "$output" >&2
    return 1
  fi
  sed -n 's/.*Collected : //p' <<<"$output"
}

if [ "${1:-}" = --write ]; then
  {
    echo "# Instructions of one call of each kernel of the avx2 table: scripts/count-kernel-instructions.sh --write"
    for kernel in decoder_max decoder_logits bound_panels add_masked attention gelu swish widen_f16 widen_bf16; do echo "$kernel $(count "$kernel")"; done
  } >"$expected"
  exit 0
fi

status=0
while read -r kernel wanted; do
  counted=$(count "$kernel")
  change=$((100 * counted / wanted - 100))
  echo "$kernel: $counted instructions ($change % against $wanted)"
  if [ "$change" -gt "$tolerance" ]; then
    echo "$kernel: more than $tolerance % over native/test/kernel-counts.txt; if the change is intended, rewrite the file (--write)." >&2
    status=1
  fi
done < <(grep -v '^#' "$expected")
exit "$status"
