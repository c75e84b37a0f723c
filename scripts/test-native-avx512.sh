#!/usr/bin/env bash
# Runs the C++ tests of the AVX-512 and AMX kernels on an emulated Sapphire Rapids processor: Bochs boots Debian's kernel with the statically
# linked tests as its only program. Downloads about 130 MB with a private apt state, and installs nothing.
#
# Two things differ from a real processor. Bochs lacks the instruction-disable feature (XFD) through which Linux gives a process its memory
# for tiles, so the kernel is told that it exists (setcpuid), and a context switch does not save tiles: the tests run with a real-time
# policy, in which threads do not interrupt each other. And TDPBUSD of Bochs 3.0 multiplies weights as if they were unsigned: of the tests of
# AMX only those run that allow for it (native/test/amx_test.cc).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh

build=build-tests-avx512
cache=$PWD/$build/emulator
# Linux has setcpuid since 6.15; X86_FEATURE_XFD is its feature 10 * 32 + 4.
kernel=linux-image-6.18.15+deb13-cloud-amd64
options="console=ttyS0 quiet panic=-1 no5lvl nokaslr no_timer_check tsc=reliable setcpuid=324"
filter='*/avx512*:AmxKernels.*:*InThreads.*/amx'

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -E -m 1 '/debian/?$') || true
if [ "$(uname -m)" != x86_64 ] || [ -z "$mirror" ] || ! command -v python3 >/dev/null || ! command -v script >/dev/null; then
  echo "Skipped: needs Debian on x86-64, python3 and script; at least one is missing."
  exit
fi

download() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg state=$cache/apt suite
  mkdir -p "$state/lists/partial" "$state/archives/partial" "$cache/system"
  for suite in trixie trixie-backports; do echo "deb [signed-by=$keyring] $mirror $suite main"; done >"$state/sources.list"
  : >"$state/status"
  local apt=(apt-get -qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State=$state"
    -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state" -o APT::Sandbox::User=root
    -o Acquire::Languages=none)
  "${apt[@]}" update
  # An empty status: with all that these need, since they run with their own C library.
  "${apt[@]}" install -y --download-only --no-install-recommends bochs bochs-term busybox-static xorriso isolinux syslinux-common
  (cd "$state/archives" && "${apt[@]}" download "$kernel")
  local package
  for package in "$state"/archives/*.deb; do dpkg-deb -x "$package" "$cache/system"; done
  rm -r "$state"
  touch "$cache/complete"
}

[ -e "$cache/complete" ] || download

generator=()
if [ ! -e "$build/CMakeCache.txt" ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
cmake -S . -B "$build" ${generator[@]+"${generator[@]}"} -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXE_LINKER_FLAGS=-static >/dev/null
cmake --build "$build" --parallel "$(processors)" --target sparse_rerank_tests >/dev/null

run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
libraries=$cache/system/usr/lib/x86_64-linux-gnu
with_libraries() {
  local program=$1
  shift
  "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$cache/system/usr/bin/$program" "$@"
}

mkdir -p "$run/disk/isolinux"
cp "$cache"/system/usr/lib/ISOLINUX/isolinux.bin "$cache"/system/usr/lib/syslinux/modules/bios/ldlinux.c32 "$run/disk/isolinux"
cp "$cache"/system/boot/vmlinuz-* "$run/disk/vmlinuz"
printf 'default tests\nlabel tests\nkernel /vmlinuz\ninitrd /initrd\nappend %s\n' "$options" >"$run/disk/isolinux/isolinux.cfg"
strip -o "$run/tests" "$build/sparse_rerank_tests"
cat >"$run/init" <<END
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox chrt -f 10 /tests --gtest_brief=1 --gtest_color=no --gtest_filter='$filter'
echo "exit status \$?"
/bin/busybox sleep 1
/bin/busybox poweroff -f
END
# The archive format "newc" of cpio, with the console's device node, which only root could make as a file.
python3 - "$run" "$cache/system/usr/bin/busybox" >"$run/disk/initrd" <<'END'
import sys

folder, busybox = sys.argv[1:]
inode = 0


def entry(name, mode, data=b"", device=(0, 0)):
    global inode
    inode += 1
    name = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    for part in (header, data):
        sys.stdout.buffer.write(part + b"\0" * (-len(part) % 4))


for name in ("dev", "proc", "bin", "tmp"):
    entry(name, 0o40755)
entry("dev/console", 0o20600, device=(5, 1))
for name, path in (("init", f"{folder}/init"), ("tests", f"{folder}/tests"), ("bin/busybox", busybox)):
    entry(name, 0o100755, open(path, "rb").read())
entry("TRAILER!!!", 0)
END
with_libraries xorriso -as mkisofs -quiet -o "$run/disk.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
  -boot-info-table "$run/disk" 2>/dev/null

cat >"$run/bochsrc" <<END
plugin_ctrl: serial=1
romimage: file=$cache/system/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$cache/system/usr/share/vgabios/vgabios.bin
megs: 1024
cpu: model=sapphire_rapids, count=1, ips=200000000
clock: sync=none
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$run/disk.iso, status=inserted
com1: enabled=1, mode=file, dev=$run/output
display_library: term
log: $run/log
panic: action=fatal
error: action=ignore
info: action=ignore
END
export LTDL_LIBRARY_PATH=$libraries/bochs/plugins BXSHARE=$cache/system/usr/share/bochs TERM=linux
emulator="$libraries/ld-linux-x86-64.so.2 --library-path $libraries $cache/system/usr/bin/bochs-bin -q -f $run/bochsrc"
# Bochs ends with an error when the guest switches itself off.
timeout -k 30 60m script --quiet --command "$emulator" /dev/null >/dev/null </dev/null || true
tr -d '\r' <"$run/output" | grep -v -E '^(ISOLINUX|\[ )' || true
if ! grep -q 'exit status 0' "$run/output"; then
  echo "The tests failed, or the emulator ended before them; its log:" >&2
  tail -n 3 "$run/log" >&2
  exit 1
fi
