# Sourced by the other scripts after they have changed to the repository's root.

export LC_ALL=C.UTF-8
export PATH="$PWD/node_modules/.bin:$PATH"

failed_parts=()

# part NAME COMMAND…: runs one part of a check, reports its time, and continues after a failure. Returns the command's status.
part() {
  local name=$1 begin=$SECONDS status=0
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null || status=$?
  printf '== %s: %s, %d s\n' "$name" "$([ "$status" = 0 ] && echo passed || echo "FAILED (exit $status)")" $((SECONDS - begin))
  [ "$status" = 0 ] || failed_parts+=("$name")
  return "$status"
}

# Reports on all parts together; its exit status is that of the whole check.
summary() {
  local check=$1
  if [ "${#failed_parts[@]}" = 0 ]; then
    printf '\n%s: everything passed, %d s\n' "$check" "$SECONDS"
  else
    printf '\n%s: FAILED, %d s:' "$check" "$SECONDS"
    printf ' [%s]' "${failed_parts[@]}"
    printf '\n'
    return 1
  fi
}

# Prints the command of a clang tool, in the one version that this project uses for formatting and checks.
clang_tool() {
  local name=$1 version=19
  if command -v "$name-$version" >/dev/null; then
    echo "$name-$version"
  elif command -v "$name" >/dev/null && "$name" --version | grep -q "version $version\."; then
    echo "$name"
  else
    echo "$name $version is missing: apt-get install $name-$version (Debian, Ubuntu), or the package of LLVM $version elsewhere" >&2
    return 1
  fi
}

native_files() {
  find native test/simulated-gpu -name '*.cc' -o -name '*.h' -o -name '*.inc' | sort
}

require_packages() {
  [ -d node_modules ] && return
  echo "node_modules is missing: npm ci --ignore-scripts" >&2
  return 1
}

processors() {
  getconf _NPROCESSORS_ONLN
}

# native_test_folder [SANITIZERS]: the folder where test-native.sh builds a variant with the compiler in CXX.
native_test_folder() {
  local name=build-tests sanitizers=${1:-}
  [ -z "$sanitizers" ] || name+="-${sanitizers//,/-}"
  [ -z "${CXX:-}" ] || name+="-$(basename "$CXX")"
  echo "$name"
}

# fuzz_readers SECONDS: fuzzes each reader of external bytes with a new seed, which it prints.
fuzz_readers() {
  local target
  for target in pickle zip safetensors tokenizer config csv html; do
    node scripts/fuzz.mjs --target "$target" --seconds "$1" --seed "$RANDOM" || return
  done
}
