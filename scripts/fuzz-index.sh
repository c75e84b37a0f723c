#!/usr/bin/env bash
# Fuzzes the readers of segments and manifests with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, starting from files that the
# package writes. Needs the built addon and dist/. Keeps a failing input in build-fuzz/.
# usage: fuzz-index.sh SECONDS     for each reader
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

seconds=$1
build=build-fuzz
clang=$(command -v clang++-19 || command -v clang++) || true
if [ -z "$clang" ] || ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  "$clang" -fsanitize=fuzzer,address,undefined -x c++ - -o /dev/null 2>/dev/null; then
  echo "Skipped: clang++ with libFuzzer is missing (apt-get install clang-19 libclang-rt-19-dev)."
  exit 0
fi

mkdir -p "$build/objects" "$build/segments" "$build/manifests"
flags=(-std=c++20 -O1 -g -ffp-contract=off -fno-sanitize-recover=all -Inative)
grep -E '^native/(core|index|kernels)/' native/sources.txt | xargs -P "$(processors)" -I '{}' sh -c \
  'source=$1 to=$2; shift 2; "$@" -c "$source" -o "$to/$(echo "$source" | tr / _).o"' \
  _ '{}' "$build/objects" "$clang" "${flags[@]}" -fsanitize=fuzzer-no-link,address,undefined
node scripts/write-index-seeds.mjs "$build/segments"
# The manifests of every kind of folder.
for manifest in test/data/stored-indexes/format-*/*/manifest; do
  cp "$manifest" "$build/manifests/$(echo "$manifest" | tr / _)"
done
for kind in segment manifest; do
  "$clang" "${flags[@]}" -fsanitize=fuzzer,address,undefined "native/test/fuzz/${kind}_fuzz.cc" \
    "$build"/objects/*.o -lpthread -ldl -o "$build/${kind}_fuzz"
  "$build/${kind}_fuzz" -max_total_time="$seconds" -rss_limit_mb=4096 -max_len=65536 -artifact_prefix="$build/" -print_final_stats=1 \
    "$build/${kind}s" 2>&1 | tail -n 30
done
