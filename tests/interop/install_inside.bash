#!/usr/bin/env bash
# install_inside.bash - the part of install.sh that runs in namespaces of its own. usage: install_inside.bash BUILD TOP SCRATCH BASE
#
# Each line of SCRATCH/lines is carried out as it stands in the fresh root, but for what cannot be: building and installing happen
# outside (with DESTDIR), $EDITOR is sed, systemctl enables the unit and its ExecStart is run here, swaks is the host's.
set -uo pipefail
build=$1 top=$2 scratch=$3 base=$4 root=$3/fresh test_name=install

check() {
    local what=$1
    shift
    if "$@" >"$scratch/out" 2>&1 </dev/null; then
        echo "case: $test_name: $what ok"
    else
        echo "case: $test_name: $what failed"
        tail -n 20 "$scratch/out" | sed 's/^/    /'
    fi
}
skip() { echo "case: $test_name: $1 skipped: $2"; }
until_true() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; "$@"; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 bash -c "cd /src && $1"; }

mount --make-rprivate /
mkdir -p "$scratch/memory" "$root"
mount -t tmpfs none "$scratch/memory" && mkdir "$scratch"/memory/{upper,work} &&
    mount -t overlay none -o "lowerdir=$base,upperdir=$scratch/memory/upper,workdir=$scratch/memory/work" "$root" ||
    { skip "everything" "no overlay of a fresh root can be mounted"; echo "the end of the lines"; exit 0; }
mount -t proc none "$root/proc"
mount -t tmpfs none "$root/run"
mkdir "$root/src"
# The sources, so that relative paths mean what they mean to a reader.
mkdir "$root/src/packaging"
cp -r "$top/packaging/." "$root/src/packaging/"
ip link set lo up 2>/dev/null || /usr/bin/python3 -c '
import fcntl, socket, struct
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))'

edit() {
    sed -i -E 's/^hostname .*/hostname mx.example.org;/; s/^postmaster .*/postmaster you@example.org;/' "$root/etc/godwit/godwit.conf"
    grep -q '^domain example.org {' "$root/etc/godwit/godwit.conf"
}
status_answers() { inside 'godwit status'; }
# What systemd would run, with the user and capabilities that the unit leaves it.
unit_start() {
    local command bounding
    command=$(sed -n 's/^ExecStart=//p' "$root/usr/lib/systemd/system/godwit.service")
    bounding=$(sed -n 's/^CapabilityBoundingSet=//p' "$root/usr/lib/systemd/system/godwit.service" | sed -E 's/CAP_//g; s/([A-Z_]+)/+\L\1/g; s/ /,/g')
    inside "exec setpriv --bounding-set -all,$bounding $command" 2>"$scratch/log" &
    server=$!
    until_true status_answers || { cat "$scratch/log"; return 1; }
}
delivered() { [ "$(find "$root"/var/lib/godwit/mail/example.org/you/{new,cur} -type f | wc -l)" -ge 1 ]; }

while read -r line <&3; do
    case $line in
    'make all && make install PREFIX=/usr')
        check "$line" env "DESTDIR=$root" make -s -C "$top" "BUILD=$build" install PREFIX=/usr "DESTDIR=$root"
        for file in usr/sbin/godwitd usr/sbin/godwit usr/sbin/sendmail usr/libexec/godwit/godwit-edge usr/lib/systemd/system/godwit.service \
            usr/lib/sysusers.d/godwit.conf usr/lib/tmpfiles.d/godwit.conf usr/share/doc/godwit/configuration.md; do
            check "/$file is installed" test -s "$root/$file"
        done
        check "no @NAME@ is left in the unit" sh -c "! grep -q @ '$root/usr/lib/systemd/system/godwit.service'" ;;
    systemd-sysusers*)
        check "$line" inside "$line"
        for user in edge queue local resolver directory control; do
            check "the user godwit-$user exists and is not root" sh -c "grep -E '^godwit-$user:[^:]*:[1-9]' '$root/etc/passwd'"
        done ;;
    systemd-tmpfiles*)
        check "$line" inside "$line"
        for directory in etc/godwit/conf.d var/lib/godwit var/spool/godwit run/godwit; do
            check "/$directory exists" test -d "$root/$directory"
        done ;;
    "\$EDITOR"*) check "$line" edit ;;
    'systemctl enable --now godwit')
        check "systemctl enable godwit" inside 'systemctl enable godwit'
        check "systemd-analyze verify finds nothing" sh -c "out=\$(chroot '$root' systemd-analyze verify --man=no godwit.service 2>&1 | grep -i godwit) ; [ -z \"\$out\" ] || { echo \"\$out\"; exit 1; }"
        check "ExecStart starts the server on port 25" unit_start ;;
    'godwit account add'*)
        check "$line" inside "echo a-password | $line" ;;
    swaks*)
        # Two seconds at most go to the client's name, which nobody tells here.
        check "$line" timeout 30 $line
        check "the mail lies in the mailbox" until_true delivered ;;
    install*|'godwit '*)
        check "$line" inside "$line" ;;
    *) check "the test knows what to do with: $line" false ;;
    esac
done 3<"$scratch/lines"

roles_run_as() { status_answers | grep -E "$1\.0 .* uid=[1-9][0-9]* root=$2 seccomp=yes"; }
check "the edge runs as a user of its own, in an empty root" roles_run_as edge empty
check "the queue runs as a user of its own, in its directory" roles_run_as queue data
check "why tells of the delivery" sh -c "chroot '$root' godwit why you@example.org | grep -q 'deliver done'"
port_25() { ss -Hltn 'sport = :25' 2>/dev/null | grep -q . || grep -q ':0019 ' /proc/net/tcp; }
check "port 25 is the server's" port_25
# ExecReload and the stop, as the unit has them.
check "ExecReload reloads" inside "$(sed -n 's/^ExecReload=//p' "$root/usr/lib/systemd/system/godwit.service")"
reloaded() { status_answers | grep -qE 'generation +2'; }
check "it is taken" until_true reloaded
pid=$(pgrep -o -x godwitd)
ended() { [ ! -d "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status"; }
check "SIGTERM is sent" kill -TERM "$pid"
check "SIGTERM stops it" until_true ended
ended || kill -KILL "$pid"
wait "$server"
check "with status 0" [ $? -eq 0 ]
check "no process is left" sh -c "! pgrep -l godwit"
echo "the end of the lines"
