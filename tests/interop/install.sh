#!/usr/bin/env bash
# The ten lines of the README, read from there, in a fresh Debian root with a network of its own: a mail to port 25 reaches its mailbox.
. "$(dirname "$0")/lib.sh"
begin install
[ "$(id -u)" -eq 0 ] || skip_all "a fresh root needs root"
unshare --mount --net --pid --fork true 2>/dev/null || skip_all "namespaces are not permitted here"
base=$peers/bookworm

# A minimal Debian, made once and kept below build/peers; each run works on a copy of its own, in memory.
fresh_root() {
    [ -e "$base.done" ] && return 0
    peer debootstrap || return 1
    rm -rf "$base"
    DEBOOTSTRAP_DIR=$peers/root/usr/share/debootstrap timeout 600 "$peers/root/usr/sbin/debootstrap" --variant=minbase \
        --include=systemd,libuv1,libseccomp2,libsqlite3-0,libunbound8,libidn2-0 bookworm "$base" http://deb.debian.org/debian \
        >"$scratch/debootstrap.log" 2>&1 || { tail -n 3 "$scratch/debootstrap.log"; return 1; }
    touch "$base.done"
}
fresh_root || skip_all "debootstrap cannot make a root here"
chroot "$base" true 2>/dev/null || skip_all "chroot is not permitted here"

# The block under "A real installation", without comments.
sed -n '/^## A real installation/,/^## /p' "$top/README.md" | sed -n 's/^    //p' | sed -E 's/ +#.*//' >"$scratch/lines"
check "the README has ten lines or fewer" [ "$(wc -l <"$scratch/lines")" -ge 8 -a "$(wc -l <"$scratch/lines")" -le 10 ]

timeout 300 unshare --mount --net --pid --fork --kill-child --mount-proc bash "$top/tests/interop/install_inside.bash" "$build" "$top" "$scratch" "$base" 2>&1 |
    tee "$scratch/inside"
failures=$((failures + $(grep -c '^case: .* failed' "$scratch/inside")))
check "all of it was gone through" grep -qx 'the end of the lines' "$scratch/inside"
finish
