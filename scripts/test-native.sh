#!/usr/bin/env bash
# Builds the C++ tests and runs them through CTest, in a separate folder for each variant; CXX selects another compiler.
# usage: test-native.sh [SANITIZERS]     as for -fsanitize: address,undefined or thread
# Writes the counts to junit.xml in that folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

sanitizers=${1:-}
build=$(native_test_folder "$sanitizers")

generator=()
if [ ! -e "$build/CMakeCache.txt" ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
cmake -S . -B "$build" ${generator[@]+"${generator[@]}"} -DCMAKE_BUILD_TYPE=Release -DSPARSE_RERANK_SANITIZE="$sanitizers" >/dev/null
cmake --build "$build" --parallel "$(processors)"

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
"$build/sparse_rerank_tests" --gtest_filter=AmxKernels.SayWhichFormRuns | grep '^AMX'
ctest --test-dir "$build" --no-tests=error --output-on-failure --parallel "$(processors)" --output-junit junit.xml |
  grep -v -E '^ *Start +[0-9]+: | Passed +[0-9.]+ sec$'
