#!/usr/bin/env bash
# Runs everything in .ci/run, plus the checks that take longer: the C++ tests under ThreadSanitizer, with clang and on emulated processors,
# the golden tests on every kernel set of this machine, longer fuzzing, the long variants of the lifecycle tests, the search servers and
# the clients that take minutes to download, the GPU checks as far as they run without a GPU, CUDA on a simulated GPU, other versions of
# Node, and the build through binding.gyp. Installs the npm packages and builds if that is missing, and installs nothing on the system.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
source scripts/common.sh

wanted=("${@:-}")
parts_run=0

# Like part, for the parts that were asked for.
wanted_part() {
  local word
  for word in "${wanted[@]}"; do
    if [[ $1 == *"$word"* ]]; then
      parts_run=$((parts_run + 1))
      part "$@"
      return
    fi
  done
}

some_tests() {
  mocha --no-config --require tsx/cjs --timeout 600000 --reporter scripts/mocha-reporter.cjs "$@"
}

kernel_sets() {
  node -p 'require("./dist/native/load").native().kernels().available.join(" ")'
}

# An unknown name would silently fall back, so the addon reports which set ran.
golden_tests_with_kernels() {
  local active
  local -x SPARSE_RERANK_KERNELS=$1
  active=$(node -p 'require("./dist/native/load").native().kernels().active') || return
  if [ "$active" != "$1" ]; then
    echo "The kernels in use are $active." >&2
    return 1
  fi
  some_tests "test/golden/**/*.test.ts"
}

long_lifecycle_tests() {
  SPARSE_RERANK_SOAK=1 some_tests "test/lifecycle/**/*.test.ts"
}

native_tests_with_clang() {
  local clang
  clang=$(command -v clang++-19 || command -v clang++) || true
  if [ -z "$clang" ] || ! echo 'int main() {}' | "$clang" -fsanitize=address,undefined -x c++ - -o /dev/null 2>/dev/null; then
    echo "Skipped: clang++ with its sanitizers is missing (apt-get install clang-19 libclang-rt-19-dev)."
    return
  fi
  CXX=$clang bash scripts/test-native.sh address,undefined
}

# On emulated processors: without AVX2, and with only AVX2.
native_tests_on_older_processors() {
  if [ "$(uname -m)" != x86_64 ] || ! command -v qemu-x86_64 >/dev/null; then
    echo "Skipped: needs qemu-x86_64 to emulate x86-64 processors (apt-get install qemu-user)."
    return
  fi
  bash scripts/test-native.sh || return
  local processor
  for processor in Nehalem Haswell; do
    echo "$processor"
    qemu-x86_64 -cpu "$processor" "$(native_test_folder)/sparse_rerank_tests" --gtest_brief=1 || return
  done
}

# Other versions of Node come from the npm package `node`.
tests_with_node() {
  local folder status
  folder=$(mktemp -d)
  (
    npm install --silent --prefix "$folder" "node@$1" &&
      PATH=$folder/node_modules/node/bin:$PATH &&
      node --version &&
      some_tests "test/unit/**/*.test.ts" "test/lifecycle/**/*.test.ts"
  )
  status=$?
  rm -rf "$folder"
  return "$status"
}

# In a copy, since node-gyp writes to build/, which contains the other build.
build_with_node_gyp() {
  local node_gyp node_folder copy
  node_gyp=$(dirname "$(readlink -f "$(command -v npm)")")/../node_modules/node-gyp/bin/node-gyp.js
  node_folder=$(node -p 'require("node:path").join(process.execPath, "..", "..")')
  if [ ! -e "$node_gyp" ] || [ ! -e "$node_folder/include/node/node_api.h" ] || ! command -v python3 >/dev/null; then
    echo "Skipped: needs npm's node-gyp, Node's headers and python3; at least one is missing."
    return
  fi
  copy=$(mktemp -d)
  cp -r binding.gyp package.json native "$copy"
  ln -s "$PWD/node_modules" "$copy/node_modules"
  (
    cd "$copy" &&
      node "$node_gyp" rebuild --silent --nodedir="$node_folder" --jobs="$(processors)" &&
      node -p '`built, with kernels for ${require("./build/Release/sparse_rerank.node").kernels().available}`'
  )
  local status=$?
  rm -rf "$copy"
  return "$status"
}

# Parts that are run alone need the build too.
node -e 'import("./scripts/setup.mjs").then(({ prepare }) => prepare())' || exit 1
wanted_part "npm test" npm test -- --reporter scripts/mocha-reporter.cjs
wanted_part "the packed package, by every manager" npm run --silent test:package -- --managers --reporter scripts/mocha-reporter.cjs
wanted_part "prebuilt binaries of a release" bash scripts/check-prebuilds.sh
wanted_part lint bash scripts/lint.sh
wanted_part "ONNX Runtime ABI" bash scripts/check-ort-abi.sh
wanted_part "C++ tests, address and undefined behavior" bash scripts/test-native.sh address,undefined
wanted_part "C++ tests, threads" bash scripts/test-native.sh thread
wanted_part "C++ tests with clang, address and undefined behavior" native_tests_with_clang
wanted_part "C++ tests on older processors, emulated" native_tests_on_older_processors
wanted_part "C++ tests on arm64, emulated" bash scripts/test-native-arm64.sh
for kernels in $(kernel_sets); do
  wanted_part "golden tests, $kernels kernels" golden_tests_with_kernels "$kernels"
done
wanted_part "fuzzing of the readers, 60 s each" fuzz_readers 60
wanted_part "fuzzing of the index readers, 60 s each" bash scripts/fuzz-index.sh 60
wanted_part "long lifecycle tests" long_lifecycle_tests
for version in 22 24; do
  wanted_part "tests with Node $version" tests_with_node "$version"
done
wanted_part "GPU checks, on the CPU and without the reference" bash scripts/gpu-check.sh --device cpu --no-reference --out build-gpu
wanted_part "tests with every search server" timeout -k 30 20m npm run --silent test:engines
wanted_part "tests with the server's clients" timeout -k 30 20m npm run --silent test:clients
wanted_part "CUDA on a simulated GPU" timeout -k 30 20m npm run --silent test:simulated-gpu
wanted_part "build with node-gyp" build_with_node_gyp
if [ "$parts_run" = 0 ]; then
  echo "No part's name contains: $*" >&2
  exit 2
fi
summary check:full
