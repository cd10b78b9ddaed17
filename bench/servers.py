"""servers.py - the servers that bench/run compares: each private, on loopback, started and stopped by its process id.

A server lives in a directory of its own below the run's directory, so that spool, queue and mailboxes of all are on
the same file system. begin() gives it a new one; end() stops it and moves that aside: nothing is deleted while
anything is measured. What a server costs is read from /proc: processor time of its processes and of those it has
reaped, and their memory (PSS).
"""
import os
import shutil
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
PAUSE_S = 1.0
START_S = 20
STOP_S = 40


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def process_table():
    """pid -> (parent, ticks of processor time including reaped children)"""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as f:
                fields = f.read().rsplit(") ", 1)[1].split()
        except (OSError, IndexError):
            continue
        table[int(name)] = (int(fields[1]), sum(int(x) for x in fields[11:15]))
    return table


def family(root, table):
    """The process ids of `root` and of all its descendants."""
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [root] if root in table else []
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, []))
    return found


class Server:
    name = ""

    def __init__(self, home):
        self.home = os.path.join(home, self.name)
        self.turns = 0
        self.process = None
        self.port = free_port()
        self.log = os.path.join(home, self.name + ".log")

    # --- what a kind of server says of itself

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """Fill the new directory self.home."""

    def settle(self):
        """Called once it answers, after the first start in a directory."""

    # --- life

    def begin(self, **options):
        """Start in a new directory."""
        os.makedirs(self.home)
        os.chmod(self.home, 0o755)
        self.prepare()
        self.start(**options)
        self.settle()

    def start(self, **options):
        self.configure(**options)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment(), start_new_session=True)
        until = time.monotonic() + START_S
        while not self.answers():
            if time.monotonic() > until or self.process.poll() is not None:
                self.stop()
                raise RuntimeError(f"{self.name} does not start, see {self.log}")
            time.sleep(0.02)

    def configure(self):
        pass

    def environment(self):
        return dict(os.environ)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as s:
                s.settimeout(2)
                ok = s.recv(200).startswith(b"220")
                s.sendall(b"QUIT\r\n")
                s.recv(200)
                return ok
        except OSError:
            return False

    def stop(self):
        if self.process is None:
            return
        relatives = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                pass
        table = process_table()
        for pid in relatives:
            if pid in table and pid != os.getpid() and self.is_mine(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        self.process = None

    def is_mine(self, pid):
        """Whether this process id still belongs to the server: it is in the session that was started for it."""
        try:
            return os.getsid(pid) == self.process.pid
        except OSError:
            return False

    def end(self, aside):
        """Stop, move the directory aside, let the disk come to rest."""
        self.stop()
        if os.path.isdir(self.home):
            self.turns += 1
            os.rename(self.home, os.path.join(aside, f"{self.name}.{self.turns}"))
        time.sleep(PAUSE_S)

    # --- what it costs

    def pids(self):
        return family(self.process.pid, process_table()) if self.process else []

    def cpu_s(self):
        table = process_table()
        return sum(table[pid][1] for pid in family(self.process.pid, table)) / TICK

    def pss_kib(self):
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except (OSError, StopIteration):
                pass
        return total

    def mailbox(self):
        return os.path.join(self.home, "mail/example.test/box/new")

    def delivered(self):
        try:
            with os.scandir(self.mailbox()) as entries:
                return sum(1 for _ in entries)
        except OSError:
            return 0


class Godwit(Server):
    name = "godwit"

    def __init__(self, home, build):
        super().__init__(home)
        self.build = build

    def config_path(self):
        return os.path.join(self.home, "godwit.conf")

    def prepare(self):
        for sub in ("spool", "state", "mail", "run"):
            os.mkdir(os.path.join(self.home, sub))

    def configure(self, is_paused=False):
        home = self.home
        with open(self.config_path(), "w") as f:
            f.write(f"""hostname mx.example.test;
postmaster box@example.test;
listener mx {{ address 127.0.0.1:{self.port}; }}
domain example.test {{ }}
limits {{ sessions 30000; sessions-per-address 100000; }}
spool {{ directory {home}/spool; {"backlog-slow 100000000; backlog-max 100000000;" if is_paused else ""} }}
delivery {{ paused {"on" if is_paused else "off"}; }}
mail {{ directory {home}/mail; }}
state-directory {home}/state;
run-directory {home}/run;
sendmail {{ drop-directory none; }}
local {{ aliases none; }}
resolver {{ reverse-dns off; }}
users {{ edge 61001; queue 61002; local 61003; resolver 61004; directory 61005; control 61006; group 61000; }}
""")

    def command(self):
        return [os.path.join(self.build, "src/parent/godwitd"), "-c", self.config_path()]

    def godwit(self, *words, text=None):
        return subprocess.run([os.path.join(self.build, "src/cli/godwit"), "-c", self.config_path(), *words],
                              input=text, capture_output=True, text=True, timeout=20)

    def settle(self):
        done = self.godwit("account", "add", "box@example.test", text="secret\n")
        if done.returncode != 0:
            raise RuntimeError("godwit account add: " + done.stderr)

    def prepare_redelivery(self):
        """What was accepted while paused is delivered by the next start; nothing to move."""

    def is_mine(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/exe").startswith(os.path.realpath(self.build))
        except OSError:
            return False


POSTFIX_SERVICES = """smtp_port inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


class Postfix(Server):
    """Debian's Postfix, unpacked and not installed. Its users exist in a mount namespace of its own only."""
    name = "postfix"

    def __init__(self, home, root):
        super().__init__(home)
        self.root = root
        self.conf = os.path.join(self.home, "conf")
        self.users = os.path.join(home, "users")
        self.process_limit = 400
        self.package_version = self.version()
        os.makedirs(self.users)
        for name, lines in (("passwd", "postfix:x:61010:61010::/:/usr/sbin/nologin\n"),
                            ("group", "postfix:x:61010:\npostdrop:x:61011:\n")):
            with open(f"/etc/{name}") as f:
                kept = [line for line in f if line.split(":")[0] not in ("postfix", "postdrop")]
            with open(os.path.join(self.users, name), "w") as f:
                f.write("".join(kept) + lines)

    def version(self):
        done = subprocess.run([os.path.join(self.root, "usr/sbin/postconf"), "-d", "-h", "mail_version"],
                              capture_output=True, text=True, env=self.environment(), timeout=20)
        return done.stdout.strip() or "of unknown version"

    def environment(self):
        return dict(os.environ, LD_LIBRARY_PATH=os.path.join(self.root, "usr/lib/postfix"))

    def prepare(self):
        own = {"queue/pid": (0, 0, 0o755), "queue/private": (61010, 0, 0o700), "queue/public": (61010, 61011, 0o710),
               "queue/maildrop": (61010, 61011, 0o1730), "data": (61010, 61010, 0o755), "mail": (61003, 61000, 0o755)}
        for sub in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace"):
            own["queue/" + sub] = (61010, 0, 0o700)
        for sub, (uid, gid, mode) in own.items():
            path = os.path.join(self.home, sub)
            os.makedirs(path)
            os.chown(path, uid, gid)
            os.chmod(path, mode)
        os.mkdir(self.conf)

    def configure(self, is_paused=False):
        home, root = self.home, self.root
        with open(os.path.join(self.conf, "main.cf"), "w") as f:
            f.write(f"""compatibility_level = 3.6
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH
config_directory = {self.conf}
queue_directory = {home}/queue
data_directory = {home}/data
daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/usr/share/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
default_process_limit = {self.process_limit}
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_timeout = 300s
alias_maps =
alias_database =
local_recipient_maps =
biff = no
in_flow_delay = 0
virtual_mailbox_domains = example.test
virtual_mailbox_maps = inline:{{ box@example.test=example.test/box/ }}
virtual_mailbox_base = {home}/mail
virtual_uid_maps = static:61003
virtual_gid_maps = static:61000
virtual_mailbox_limit = 0
virtual_destination_concurrency_limit = 100
initial_destination_concurrency = 100
smtpd_relay_restrictions = reject_unauth_destination
smtpd_data_restrictions = {"check_client_access static:HOLD" if is_paused else ""}
""")
        with open(os.path.join(self.conf, "master.cf"), "w") as f:
            f.write(POSTFIX_SERVICES.replace("smtp_port", f"127.0.0.1:{self.port}"))

    def command(self):
        script = ('mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && '
                  'exec "$2" -c "$3"')
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", self.users,
                os.path.join(self.root, "usr/lib/postfix/sbin/master"), self.conf]

    def prepare_redelivery(self):
        """What is on hold becomes what has come in: the same files in another directory, as postsuper -H does it."""
        hold, incoming = os.path.join(self.home, "queue/hold"), os.path.join(self.home, "queue/incoming")
        for name in os.listdir(hold):
            os.rename(os.path.join(hold, name), os.path.join(incoming, name))

    def is_mine(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/exe").startswith(os.path.realpath(self.root))
        except OSError:
            return False


class Sink(Server):
    """The generator's ceiling: answers everything, keeps nothing."""
    name = "sink"

    def __init__(self, home, program):
        super().__init__(home)
        self.program = program

    def command(self):
        return [self.program, str(self.port)]


def fetch_postfix(peers):
    """Unpack Debian's package below `peers`, as tests/interop/lib.sh does it; None where that is impossible."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return None
    root = os.path.join(peers, "root")
    if os.path.exists(os.path.join(peers, "postfix.done")):
        return root
    if shutil.which("apt-get") is None:
        return None
    debs = os.path.join(peers, "debs")
    os.makedirs(debs, exist_ok=True)
    command = 'apt-get download -qq postfix && dpkg-deb -x postfix_*.deb ../root && : >../postfix.done'
    done = subprocess.run(["sh", "-c", command], cwd=debs, capture_output=True, timeout=120)
    return root if done.returncode == 0 else None
