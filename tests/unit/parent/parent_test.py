#!/usr/bin/env python3
"""parent_test.py - the parent with roles that play along (dummy/): start, restart, reload, stop, and what can go wrong.

usage: parent_test.py GODWITD DUMMY-DIRECTORY
"""
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

GODWITD, DUMMIES = [os.path.abspath(a) for a in (sys.argv.pop(1), sys.argv.pop(1))]
ROLES = ["edge", "queue", "local", "resolver", "directory", "control"]
IS_ROOT = os.geteuid() == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


class Server:
    """A parent in a directory of its own."""

    def __init__(self, edges=2, abstract=False, as_user=None, **changes):
        self.temporary = tempfile.TemporaryDirectory(prefix="godwit-parent-")
        self.top = Path(self.temporary.name)
        self.top.chmod(0o755)
        self.port = free_port()
        self.edges = edges
        self.process = None
        self.as_user = as_user
        self.errors = self.top / "stderr"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"\0godwit-test-{os.getpid()}-{self.port}" if abstract else str(self.top / "notify")
        self.notify.bind(name)
        if not abstract:
            os.chmod(name, 0o666)
        self.notify_name = name.replace("\0", "@")
        if as_user is not None:
            os.chown(self.top, as_user, as_user)
        self.configure(**changes)

    def configure(self, extra="", port=None, edges=None, listener="", grace="1 s"):
        top = self.top
        (top / "godwit.conf").write_text(f"""
hostname mx.example.test;
edges {edges or self.edges};
stop-grace {grace};
run-directory {top}/run;
state-directory {top}/state;
spool {{ directory {top}/spool; may-be-lost on; }}
mail {{ directory {top}/mail; }}
sendmail {{ drop-directory none; }}
local {{ aliases none; }}
listener mx {{ address 127.0.0.1:{port or self.port}; }}
{listener}
domain example.test {{ }}
{extra}
""")
        return self

    def start(self, wait=True):
        environment = dict(os.environ, NOTIFY_SOCKET=self.notify_name)
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        command = [GODWITD, "-c", str(self.top / "godwit.conf"), "--libexec", DUMMIES]
        if self.as_user is not None:
            command = ["setpriv", f"--reuid={self.as_user}", f"--regid={self.as_user}", "--clear-groups"] + command
        with open(self.errors, "a") as errors:
            self.process = subprocess.Popen(command, stderr=errors, env=environment, start_new_session=True)
        if wait:
            self.expect_notify("READY=1")
        return self

    def expect_notify(self, wanted, seconds=20):
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.notify], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no {wanted}: {self.log()}")
            if self.notify.recv(4096).decode().split("\n")[0] == wanted:
                return

    def log(self):
        return self.errors.read_text() if self.errors.exists() else ""

    def children(self):
        """{(role, instance): pid} of the children that run, as the parent sees them."""
        found = {}
        for line in self.command("status")[1].splitlines():
            name, fields = line.split(" ", 1)
            role, instance = name.split(".")
            found[role, int(instance)] = dict(f.split("=") for f in fields.split())
        return found

    def pid(self, role, instance=0):
        return int(self.children()[role, instance]["pid"])

    def command(self, verb):
        """Ask the parent by way of control: (status, text)."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(25)
            s.connect(str(self.top / "run" / "control.sock"))
            s.sendall(verb.encode() + b"\n")
            answer = b""
            while data := s.recv(65536):
                answer += data
        status, _, text = answer.decode().partition("\n")
        return int(status), text

    def session(self, port=None):
        return Session(port or self.port)

    def pids_below(self):
        """Every process that was started by this parent and lives."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                state, ppid = stat.rpartition(")")[2].split()[:2]
                if int(ppid) == self.process.pid and state != "Z":
                    found.append(int(entry.name))
        return found

    def stop(self, number=signal.SIGTERM, seconds=20):
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.notify.close()
        self.temporary.cleanup()


class Session:
    """A client of a dummy edge."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(20)
        self.file = self.socket.makefile("rb")
        greeting = self.file.readline().decode()
        match = re.fullmatch(r"edge (\d+) generation (\d+) listener (\S+)\n", greeting)
        if match is None:
            raise ConnectionError(f"greeted with {greeting!r}")
        self.instance, self.generation, self.listener = int(match[1]), int(match[2]), match[3]

    def ask(self, octet):
        self.socket.sendall(octet)
        return self.file.readline().decode().strip()

    def is_open(self):
        return self.ask(b"c") == "status 3"

    def close(self):
        self.file.close()
        self.socket.close()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class ParentTest(unittest.TestCase):
    def server(self, **arguments):
        server = Server(**arguments)
        self.addCleanup(server.close)
        return server

    def session(self, server, **arguments):
        session = server.session(**arguments)
        self.addCleanup(session.close)
        return session

    # --- start ---

    def test_all_roles_run_and_reach_each_other(self):
        server = self.server().start()
        children = server.children()
        self.assertEqual(sorted(children), sorted([(r, 0) for r in ROLES] + [("edge", 1)]))
        for (role, instance), child in children.items():
            self.assertEqual(child["state"], "ready")
            self.assertIn(child["root"], ("data", "empty") if IS_ROOT else ("machine",))
        uids = {child["uid"] for child in children.values()}
        self.assertEqual(len(uids), len(ROLES) if IS_ROOT else 1)
        self.assertNotIn("0", uids if IS_ROOT else ())
        self.assertTrue(self.session(server).is_open())

    def test_the_kernel_agrees_about_uids(self):
        server = self.server().start()
        for child in server.children().values():
            status = Path(f"/proc/{child['pid']}/status").read_text()
            self.assertEqual(set(re.search("^Uid:(.*)$", status, re.M)[1].split()), {child["uid"]})

    def test_started_by_an_ordinary_user(self):
        if not IS_ROOT:
            self.skipTest("is what every other test does then")
        server = self.server(as_user=65534).start()
        for child in server.children().values():
            self.assertEqual((child["uid"], child["root"]), ("65534", "machine"))
        self.assertTrue(self.session(server).is_open())
        self.assertEqual(server.stop(), 0)

    def test_the_service_manager_may_have_an_abstract_socket(self):
        self.server(abstract=True).start()

    def test_a_wrong_configuration_is_said_whole(self):
        server = self.server().configure(extra="colour blue;\nlimits { message-size banana; }\n").start(wait=False)
        self.assertEqual(server.process.wait(10), 78)
        lines = server.log().splitlines()
        self.assertEqual(len([l for l in lines if re.match(rf"{server.top}/godwit.conf:\d+:\d+: ", l)]), 2, lines)

    def test_a_port_in_use_is_said_with_its_holder(self):
        server = self.server()
        holder = subprocess.Popen([sys.executable, "-c", "import socket,time\ns=socket.socket()\n"
                                   f"s.bind(('127.0.0.1',{server.port}))\ns.listen()\nprint(flush=True)\n"
                                   "time.sleep(60)"],
                                  stdout=subprocess.PIPE)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        holder.stdout.readline()
        holder.stdout.close()
        server.start(wait=False)
        self.assertEqual(server.process.wait(10), 71)
        self.assertRegex(server.log(), rf"godwit.conf:\d+:\d+: cannot listen on 127.0.0.1:{server.port}: "
                         rf"the address is in use by python\S* \(pid {holder.pid}\); "
                         rf"stop it with: (kill {holder.pid}|systemctl stop \S+)")

    def test_two_parents_do_not_share_a_spool(self):
        server = self.server().start()
        other = self.server()
        (other.top / "godwit.conf").write_text((other.top / "godwit.conf").read_text().replace(
            f"{other.top}/spool", f"{server.top}/spool"))
        other.start(wait=False)
        self.assertEqual(other.process.wait(10), 71)
        self.assertIn(f"{server.top}/spool is in use by another Godwit (pid {server.process.pid})", other.log())

    def test_two_parents_do_not_share_a_port(self):
        server = self.server().start()
        other = self.server()
        other.configure(port=server.port).start(wait=False)
        self.assertEqual(other.process.wait(10), 71)
        self.assertIn("the address is in use by", other.log())

    # --- restart ---

    def test_a_killed_edge_is_back_within_a_second(self):
        server = self.server(edges=1).start()
        for _ in range(4):
            pid = server.pid("edge")
            os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            session = self.session(server)  # waits in the listen queue until the new one accepts
            self.assertTrue(session.is_open())
            self.assertLess(time.monotonic() - began, 1.0)
            self.assertNotEqual(server.pid("edge"), pid)
        self.assertEqual(server.children()["edge", 0]["restarts"], "4")
        self.assertIn("event=child-died", server.log())

    def test_a_crashed_edge_takes_only_its_own_sessions(self):
        server = self.server().start()
        sessions = [self.session(server) for _ in range(32)]
        self.assertEqual({s.instance for s in sessions}, {0, 1})
        victim = sessions[0]
        self.assertEqual(victim.ask(b"x"), "")
        for s in sessions:
            if s.instance != victim.instance:
                self.assertTrue(s.is_open())

    def test_a_call_survives_the_death_of_the_one_it_asks(self):
        server = self.server().start()
        session = self.session(server)
        for _ in range(3):
            pid = server.pid("directory")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not is_alive(pid) and server.pid("directory") != pid, "directory is noticed")
            self.assertTrue(session.is_open())  # waits for the new one

    # --- reload ---

    def test_a_bad_configuration_changes_nothing(self):
        server = self.server().start()
        session = self.session(server)
        before = {key: child["pid"] for key, child in server.children().items()}
        server.configure(extra="colour blue;\nlimits { message-size banana; }\ndomain example.test { }\n")
        status, text = server.command("reload")
        self.assertEqual(status, 78)
        self.assertEqual(len(re.findall(r"godwit.conf:\d+:\d+: ", text)), 3, text)
        self.assertEqual({key: child["pid"] for key, child in server.children().items()}, before)
        self.assertTrue(session.is_open())
        self.assertEqual(self.session(server).generation, 1)
        self.assertGreaterEqual(server.log().count("event=config-refused"), 3)

    def test_what_cannot_change_is_refused(self):
        server = self.server().start()
        text = (server.top / "godwit.conf").read_text()
        (server.top / "godwit.conf").write_text(text.replace(f"{server.top}/spool;", f"{server.top}/other;"))
        status, text = server.command("reload")
        self.assertEqual(status, 78)
        self.assertIn("cannot change while the server runs", text)

    def test_a_good_configuration_keeps_sessions(self):
        server = self.server().start()
        session = self.session(server)
        before = {key: child["pid"] for key, child in server.children().items()}
        other = free_port()
        server.configure(listener=f"listener extra {{ address 127.0.0.1:{other}; }}", edges=3)
        self.assertEqual(server.command("reload"), (0, "generation 2 of the configuration is in use\n"))
        self.assertEqual(self.session(server).generation, 2)
        self.assertEqual(self.session(server, port=other).listener, "extra")
        self.assertTrue(session.is_open())
        wait_until(lambda: server.children()["directory", 0]["generation"] == "2", "directory has it")
        after = server.children()
        self.assertEqual(after["directory", 0]["pid"], before["directory", 0])  # reconfigured
        self.assertNotEqual(after["queue", 0]["pid"], before["queue", 0])       # restarted
        self.assertEqual(after["queue", 0]["generation"], "2")
        self.assertEqual(after["edge", session.instance]["state"], "stopping")
        session.close()
        wait_until(lambda: {c["generation"] for c in server.children().values()} == {"2"}, "the old generation is gone")
        self.assertEqual(len([k for k in server.children() if k[0] == "edge"]), 3)
        # and back again: the listener goes
        server.configure()
        self.assertEqual(server.command("reload")[0], 0)
        with self.assertRaises(OSError):
            wait_until(lambda: socket.create_connection(("127.0.0.1", other), 1).close(), "refused", 5)

    def test_edges_that_only_die_take_the_reload_back(self):
        server = self.server().start()
        session = self.session(server)
        server.configure(listener=f"listener crash {{ address 127.0.0.1:{free_port()}; }}")
        status, text = server.command("reload")
        self.assertEqual(status, 78)
        self.assertIn("the new edges do not serve", text)
        self.assertTrue(session.is_open())
        self.assertEqual(self.session(server).generation, 1)
        wait_until(lambda: len(server.children()) == len(ROLES) + 1, "the new edges are gone")
        self.assertEqual(server.configure().command("reload")[0], 0)
        self.assertEqual(self.session(server).generation, 2)

    def test_hangup_reloads_and_says_so(self):
        server = self.server().start()
        server.process.send_signal(signal.SIGHUP)
        server.expect_notify("RELOADING=1")
        server.expect_notify("READY=1")
        self.assertEqual(self.session(server).generation, 2)

    def test_an_address_in_use_refuses_the_reload(self):
        server = self.server().start()
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            server.configure(listener=f"listener extra {{ address 127.0.0.1:{holder.getsockname()[1]}; }}")
            status, text = server.command("reload")
        self.assertEqual(status, 78)
        self.assertIn("the address is in use", text)
        self.assertEqual(self.session(server).generation, 1)

    # --- stop ---

    def test_stop_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.server().start()
            session = self.session(server)
            children = server.pids_below()
            self.assertEqual(len(children), len(ROLES) + 1)
            self.assertEqual(server.stop(number), 0)
            server.expect_notify("STOPPING=1")
            self.assertEqual([p for p in children if is_alive(p)], [])
            self.assertEqual(sorted(p.name for p in (server.top / "run").iterdir()), ["empty"])
            self.assertEqual(session.ask(b"c"), "")
            with self.assertRaises(ConnectionRefusedError):
                server.session()
            self.assertIn("event=server-stopped", server.log())

    def test_an_operator_stops_it(self):
        server = self.server().start()
        self.assertEqual(server.command("stop"), (0, "stopping\n"))
        self.assertEqual(server.process.wait(20), 0)

    def test_a_child_that_does_not_end_is_killed(self):
        server = self.server().start()
        os.kill(server.pid("local"), signal.SIGSTOP)
        self.assertEqual(server.stop(), 0)
        self.assertIn("event=child-killed", server.log())

    def test_children_die_with_their_parent_and_the_next_one_starts(self):
        server = self.server().start()
        children = server.pids_below()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(is_alive(p) for p in children), "children are gone", 5)
        server.start()
        self.assertTrue(self.session(server).is_open())

    def test_a_role_that_cannot_start_is_tried_again_slowly(self):
        server = self.server().start()
        began = time.monotonic()
        deaths = 0
        while time.monotonic() - began < 2:
            pid = int(server.children()["resolver", 0]["pid"])
            if pid != 0 and is_alive(pid):
                os.kill(pid, signal.SIGKILL)
                deaths += 1
            time.sleep(0.005)
        self.assertGreater(deaths, 2)
        self.assertLess(deaths, 12)
        self.assertTrue(self.session(server).is_open())


if __name__ == "__main__":
    unittest.main()
