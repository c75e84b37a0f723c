#!/usr/bin/env bash
# Builds the C++ tests for linux-arm64 with Debian's cross compiler and runs them under qemu-user, on a CPU with dot products and on one without,
# so that each NEON table is active once. Death tests restart the program, which works only on a real machine, so they are left out.
# usage: test-native-arm64.sh [PATTERN]     a ctest -R pattern; default: all tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

triple=aarch64-linux-gnu
googletest=/usr/src/googletest
build=$PWD/build-tests-arm64
if ! command -v "$triple-g++" >/dev/null || ! command -v qemu-aarch64 >/dev/null || [ ! -e "$googletest/CMakeLists.txt" ]; then
  echo "Skipped: needs g++-aarch64-linux-gnu, qemu-user and the sources of libgtest-dev (apt-get install); at least one is missing."
  exit
fi

generator=()
if command -v ninja >/dev/null; then generator=(-G Ninja); fi
# configure SOURCE FOLDER ARGUMENTS…: the emulator runs the tests both when CTest lists and when it runs them.
configure() {
  local source=$1 folder=$2
  shift 2
  [ -e "$folder/CMakeCache.txt" ] || cmake -S "$source" -B "$folder" ${generator[@]+"${generator[@]}"} -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER="$triple-g++" -DCMAKE_C_COMPILER="$triple-gcc" \
    -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64;-L;/usr/$triple" "$@" >/dev/null
}

configure "$googletest" "$build/googletest" -DCMAKE_INSTALL_PREFIX="$build/installed" -DBUILD_GMOCK=OFF
cmake --build "$build/googletest" --parallel "$(processors)" --target install >/dev/null
configure . "$build" -DGTest_DIR="$build/installed/lib/cmake/GTest"
cmake --build "$build" --parallel "$(processors)" --target sparse_rerank_tests

for cpu in max cortex-a53; do
  echo "-- CPU $cpu"
  QEMU_CPU=$cpu ctest --test-dir "$build" --no-tests=error --output-on-failure --parallel "$(processors)" -E DeathTest ${1+-R "$1"} |
    grep -v -E '^ *Start +[0-9]+: | Passed +[0-9.]+ sec$'
done
