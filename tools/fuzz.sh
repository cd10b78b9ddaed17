#!/usr/bin/env bash
# fuzz.sh - one fuzz target under libFuzzer for a while. usage: fuzz.sh BUILD-DIR TARGET SECONDS; without a target it lists them.
set -euo pipefail
dir=$1 target=$2 seconds=$3
if ! command -v clang >/dev/null; then
    echo "fuzz: needs clang; install it with: apt-get install --no-install-recommends clang libclang-rt-14-dev" >&2
    exit 69
fi
if [ -z "$target" ]; then
    echo "usage: make fuzz T=TARGET [SECONDS=60]; targets:"
    find tests/fuzz -name '*_fuzz.c' -printf '  %f\n' | sed 's/_fuzz\.c$//' | sort
    exit 64
fi
[ -e "$dir/build.ninja" ] || CC=clang meson setup -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false "$dir" >/dev/null
exe=$(find tests/fuzz -name "${target}_fuzz.c" -printf '%P\n' | sed 's/\.c$//')
[ -n "$exe" ] || { echo "fuzz: no target $target" >&2; exit 64; }
ninja -C "$dir" "tests/fuzz/$exe"
mkdir -p "build/corpus/$target"
exec "$dir/tests/fuzz/$exe" -max_total_time="$seconds" -print_final_stats=1 "build/corpus/$target" "tests/fuzz/corpus/$target"
