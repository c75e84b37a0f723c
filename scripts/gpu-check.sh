#!/usr/bin/env bash
# Proves on a machine with an NVIDIA card what docs/gpu.md says is open: every golden fixture on CUDA against the CPU in fp32 and fp16, recovery
# from a full card, and speed. One call; prints a report and fails if something differs.
# usage: gpu-check.sh [FOLDER]
#   FOLDER holds an ONNX Runtime library with its CUDA provider (libonnxruntime.so.1, libonnxruntime_providers_*.so), and maybe a node to run with.
#   Without it: ORT_DYLIB_PATH, or the library of the clone. CUDA's own libraries must be in LD_LIBRARY_PATH; those of Python packages named
#   nvidia-* are found. Needs a built checkout (npm run build) on the same platform.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

node=node
if [ -n "${1:-}" ]; then
  folder=$(cd "$1" && pwd)
  export ORT_DYLIB_PATH=$folder/libonnxruntime.so.1
  if [ -x "$folder/node" ]; then node=$folder/node; fi
fi
if command -v python3 >/dev/null; then
  python_libraries=$(python3 -c 'import glob, site; print(":".join(f for s in site.getsitepackages() for f in sorted(glob.glob(s + "/nvidia/*/lib"))))')
  if [ -n "$python_libraries" ]; then export LD_LIBRARY_PATH=$python_libraries:${LD_LIBRARY_PATH:-}; fi
fi

"$node" dist/cli/main.js doctor
exec "$node" scripts/gpu-check.mjs
