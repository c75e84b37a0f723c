#!/usr/bin/env bash
# Runs every static check: types, eslint, prettier, clang-format, clang-tidy, dependency direction, tidiness of the tree, TypeDoc's
# warnings. Runs all of them and fails if any does. Installs nothing: a missing tool is a failure whose message says how to install it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

# Tests import the compiled library, so its types must be up to date before they and eslint use them.
check_types() {
  npm run --silent build:ts && tsc -p page && tsc -p test
}

check_native_format() {
  local clang_format
  clang_format=$(clang_tool clang-format) || return
  native_files | xargs "$clang_format" --dry-run -Werror
}

# Covers the addon's sources, and the headers that they include.
check_native_code() {
  local clang_tidy include
  clang_tidy=$(clang_tool clang-tidy) || return
  include=$(node -p 'require("node-api-headers").include_dir')
  cmake -S . -B build-lint -DCMAKE_JS_INC="$include" >/dev/null || return
  # clang-tidy's count of suppressed warnings carries no information.
  xargs -P "$(processors)" -n 1 "$clang_tidy" -p build-lint --quiet <native/sources.txt 2> >(grep -v ' generated\.$' >&2)
}

require_packages
part types check_types || true
part eslint eslint --max-warnings 0 . || true
part prettier prettier --check --log-level warn . || true
part dependencies node scripts/check-dependencies.mjs || true
part tree node scripts/check-tree.mjs || true
part docs typedoc --logLevel Warn || true
part clang-format check_native_format || true
part clang-tidy check_native_code || true
summary lint
