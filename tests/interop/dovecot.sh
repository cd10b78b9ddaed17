#!/usr/bin/env bash
# Dovecot serves over IMAP what Godwit delivered, agrees about the quota, and is a store that Godwit delivers to by LMTP.
. "$(dirname "$0")/lib.sh"
begin dovecot
[ "$(id -u)" -eq 0 ] || skip_all "Dovecot is started as root, to become the owner of the mailboxes"
command -v apt-get >/dev/null && peer dovecot-core dovecot-imapd dovecot-lmtpd libexttextcat-2.0-0 liblua5.3-0 libstemmer0d ||
    skip_all "Debian's dovecot cannot be fetched"
root=$peers/root
imap_port=$(free_port) lmtp_port=$(free_port)

cat >"$scratch/recipients" <<'R'
carol
dave
R
server_config "
domain store.example.test { recipients file $scratch/recipients; deliver lmtp 127.0.0.1:$lmtp_port; }
domain small.example.test { quota 1 MiB; }
delivery { schedule 2 s; }
"
server_start
account alice@example.test
account eve@small.example.test

imap_answers() {
    timeout 3 /usr/bin/python3 -c 'import imaplib, sys; imaplib.IMAP4("127.0.0.1", int(sys.argv[1])).login("alice@example.test", "imap")' "$imap_port"
}

# carol is known to Dovecot, dave is not.
dovecot_start() {
    mkdir -p "$scratch"/dovecot/{base,state,store}
    chown 61003:61000 "$scratch/dovecot/store"
    cat >"$scratch/dovecot/users" <<U
alice@example.test:{PLAIN}imap:61003:61000::$scratch/dovecot/store/home
eve@small.example.test:{PLAIN}imap:61003:61000::$scratch/dovecot/store/home
carol@store.example.test:{PLAIN}imap:61003:61000::$scratch/dovecot/store/home::userdb_mail=maildir:$scratch/dovecot/store/carol
U
    cat >"$scratch/dovecot/dovecot.conf" <<D
base_dir = $scratch/dovecot/base
state_dir = $scratch/dovecot/state
log_path = $scratch/dovecot/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = mail
default_internal_group = mail
default_login_user = nobody
first_valid_uid = 1
stats_writer_socket_path =
mail_location = maildir:$scratch/mail/%d/%n
passdb {
  driver = passwd-file
  args = $scratch/dovecot/users
}
userdb {
  driver = passwd-file
  args = $scratch/dovecot/users
}
service anvil { chroot = }
service imap-login {
  chroot =
  inet_listener imap { port = $imap_port }
  inet_listener imaps { port = 0 }
}
service lmtp {
  inet_listener lmtp { port = $lmtp_port }
}
mail_plugins = quota
protocol imap { mail_plugins = quota imap_quota }
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1M
}
D
    # One setting a block is what Dovecot's syntax wants on one line only when the brace closes on the next.
    sed -i -E 's/^(.*\{) ([^{}]+) \}$/\1\n\2\n}/' "$scratch/dovecot/dovecot.conf"
    # Its programs and plugins are looked for at the paths it was built for: laid over /usr in a mount namespace of its own.
    unshare --mount bash -c 'mount -t overlay none -o lowerdir="$1":/usr /usr && exec /usr/sbin/dovecot -F -c "$2"' - \
        "$root/usr" "$scratch/dovecot/dovecot.conf" >"$scratch/dovecot/out" 2>&1 &
    dovecot=$!
    pids+=("$dovecot")
    for _ in $(seq 20); do kill -0 $dovecot && imap_answers && return 0; sleep 0.3; done 2>/dev/null
    return 1
}
if ! dovecot_start; then
    tail -n 5 "$scratch/dovecot/out" "$scratch/dovecot/log" 2>/dev/null
    skip_all "this Dovecot does not start here"
fi

helper() { timeout 60 /usr/bin/python3 "$top/tests/interop/dovecot.py" "$port" "$imap_port" "$scratch" "$@"; }
why_dave() { godwit why dave@store.example.test | grep -q "550 <dave@store.example.test> User doesn't exist"; }
held_dave() { godwit queue list | grep -q dave@store.example.test; }
carol_files() { [ "$(find "$scratch"/dovecot/store/carol/{new,cur} -type f | wc -l)" -eq "$1" ]; }

check "IMAP shows the message as it was sent, unseen, and keeps its flags" helper read
check "mail that comes while IMAP is idle is announced" helper idle
check "Dovecot counts the mailbox as Godwit does" helper quota
check "a full mailbox keeps its limit, and what waits for it comes after an expunge" helper full
check "LMTP: a message to a known and an unknown recipient is taken" helper lmtp
check "LMTP: it reaches the one" until_true carol_files 1
check "LMTP: the other's refusal is what why tells" until_true why_dave
check "LMTP: the refused recipient is kept in the queue, with nothing lost" until_true held_dave
check "LMTP: IMAP shows the content as it was sent" helper stored
twice() { sleep 3; carol_files 1; }
check "LMTP: the accepted recipient gets no second copy" twice

# The store goes away and comes back.
kill -TERM "$dovecot" && wait "$dovecot"
check "LMTP: mail is taken while the store is down" helper lmtp-one
waits() { godwit queue list | grep -q carol@store.example.test; }
check "LMTP: it waits" until_true waits
check "Dovecot starts again" dovecot_start
check "LMTP: it is delivered once the store is back" until_true carol_files 2
finish
