#!/usr/bin/env bash
# Compiles native/test/ort_abi_check.cc against the official onnxruntime_c_api.h: the declarations of ONNX Runtime's interface here must
# agree with it. The header is Debian's, from the unstable suite, fetched with a private apt state so that the machine's own is unchanged.
# usage: check-ort-abi.sh [FOLDER]     a folder that already contains onnxruntime_c_api.h
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

cache=$PWD/build-ort-header

# The Debian mirror in the machine's own configuration.
debian_mirror() {
  local uri
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E -m 1 '/debian/?$') || true
  if [ -z "$uri" ]; then
    echo "apt has no Debian mirror configured here: pass a folder with onnxruntime_c_api.h as the argument" >&2
    return 1
  fi
  echo "$uri"
}

download_header() {
  local state=$cache/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror apt
  mirror=$(debian_mirror) || return
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  echo "deb [signed-by=$keyring] $mirror unstable main" >"$state/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$state/lists"
    -o "Dir::Cache=$state" -o APT::Sandbox::User=root -o Acquire::Languages=none)
  "${apt[@]}" update
  (cd "$state" && "${apt[@]}" download libonnxruntime-dev)
  dpkg -x "$state"/libonnxruntime-dev_*.deb "$state/package"
  mv "$state/package" "$cache/package"
  rm -r "$state"
}

include=${1:-}
if [ -z "$include" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "apt, which provides the official header, is not installed."
    if [ "${CI:-}" = true ]; then exit 1; fi
    echo "Skipped."
    exit 0
  fi
  [ -d "$cache/package" ] || download_header
  include=$(dirname "$(find "$cache/package" -name onnxruntime_c_api.h -print -quit)")
fi

"${CXX:-c++}" -std=c++20 -fsyntax-only -Wall -Wextra -Wno-ignored-attributes -I native -isystem "$include" native/test/ort_abi_check.cc
version=$(awk '$2 == "ORT_API_VERSION" { print $3 }' "$include/onnxruntime_c_api.h")
echo "Every slot, signature and value agrees with the header of API version $version."
