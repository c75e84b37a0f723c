#!/usr/bin/env bash
# Formats the C++ files in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

clang_format=$(clang_tool clang-format)
native_files | xargs "$clang_format" -i
