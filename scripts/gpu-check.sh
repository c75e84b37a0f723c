#!/usr/bin/env bash
# Verifies on a machine with an NVIDIA GPU that models run there as docs/gpu.md describes: every golden fixture against the CPU, memory,
# latency, rankings of real collections, and speed against sentence-transformers. Prints a report, writes it as JSON, and fails if something
# differs. Needs a built checkout (npm run build) on the same platform.
# usage: gpu-check.sh [FOLDER] [options]    --help lists the options
#   FOLDER: contains an ONNX Runtime library with its CUDA provider (libonnxruntime.so.1, libonnxruntime_providers_*.so), and optionally a
#     node binary. Default: ORT_DYLIB_PATH, or the library of the clone. CUDA's own libraries must be in LD_LIBRARY_PATH; those of Python
#     packages named nvidia-* are found.
#   Environment: PYTHON, a Python with torch and sentence-transformers (default python3), and SPARSE_RERANK_COMMIT, the checkout's commit if
#     git cannot report it.
set -euo pipefail

node=node
if [ -n "${1:-}" ] && [ "${1#-}" = "$1" ]; then
  folder=$(cd "$1" && pwd)
  shift
  export ORT_DYLIB_PATH=$folder/libonnxruntime.so.1
  if [ -x "$folder/node" ]; then node=$folder/node; fi
fi
export PYTHON=${PYTHON:-python3}
if command -v "$PYTHON" >/dev/null; then
  python_libraries=$("$PYTHON" -c 'import glob, site; print(":".join(f for s in site.getsitepackages() for f in sorted(glob.glob(s + "/nvidia/*/lib"))))')
  if [ -n "$python_libraries" ]; then export LD_LIBRARY_PATH=$python_libraries:${LD_LIBRARY_PATH:-}; fi
fi

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$node" "$scripts/../dist/cli/main.js" doctor
exec "$node" "$scripts/gpu/check.mjs" "$@"
