#!/usr/bin/env bash
# deps.sh - the Debian packages Godwit needs, and their installation when something is missing.
#
# usage: deps.sh build|test|print
# Installs compilers, libraries and client tools only, never a server: those used as peers in tests are unpacked under build/peers.
# apt is called only if something is missing; without root it is called through sudo.
set -euo pipefail

build=(gcc libc6-dev make meson ninja-build pkg-config python3 libuv1-dev libseccomp-dev libsqlite3-dev libunbound-dev
       libidn2-dev libcrypt-dev libssl-dev)
test=(libcmocka-dev swaks msmtp curl s-nail strace python3-yaml python3-dnspython)

has_build() {
    command -v cc meson ninja pkg-config python3 >/dev/null 2>&1 || return 1
    for tool in cc meson ninja pkg-config python3; do command -v "$tool" >/dev/null || return 1; done
    pkg-config --exists libuv libseccomp sqlite3 libidn2 libcrypt openssl || return 1
    [ -e /usr/include/unbound.h ]
}

has_test() {
    has_build || return 1
    for tool in swaks msmtp curl s-nail strace; do command -v "$tool" >/dev/null || return 1; done
    /usr/bin/python3 -c 'import yaml, dns' 2>/dev/null || return 1
    pkg-config --exists cmocka
}

install() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "deps: packages are missing and neither root nor sudo is at hand. As root run:" >&2
            echo "  apt-get install --no-install-recommends $*" >&2
            exit 69
        fi
        as_root=(sudo)
    fi
    echo "Installing what is missing: $*"
    mkdir -p build
    if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
           apt-get install -y -qq --no-install-recommends "$@"; } >build/deps.log 2>&1; then
        tail -n 20 build/deps.log >&2
        echo "deps: apt-get failed; the whole output is in build/deps.log" >&2
        exit 69
    fi
}

mkdir -p build
case "${1:-}" in
build) has_build || install "${build[@]}" ;;
test) has_test || install "${build[@]}" "${test[@]}" ;;
print) printf '%s\n' "${build[@]}" "${test[@]}" ;;
*) echo "usage: deps.sh build|test|print" >&2; exit 64 ;;
esac
