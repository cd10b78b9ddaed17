"""report.py - docs/benchmarks.md from what bench/run has measured."""
import os
import platform
import statistics
import subprocess
import time

NONE = "-"


def machine(path):
    """What the numbers depend on, seen before the first server runs."""
    model, memory = "?", 0
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // 1024
    done = subprocess.run(["df", "--output=fstype,source", path], capture_output=True, text=True)
    fields = done.stdout.strip().split("\n")[-1].split() if done.returncode == 0 else ["?", "?"]
    return {"model": model, "processors": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(),
            "fs": fields[0], "device": fields[1], "load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}


def values(runs, key):
    return [run[key] for run in runs] if runs else []


def middle(runs, key):
    found = values(runs, key)
    return statistics.median(found) if found else None


def number(value, digits=0):
    return NONE if value is None else f"{value:,.{digits}f}"


def spread(runs, key="rate"):
    """The median and, with more than one run, the lowest and highest."""
    found = values(runs, key)
    if not found:
        return NONE
    text = number(statistics.median(found))
    return text if len(found) == 1 else f"{text} ({number(min(found))} to {number(max(found))})"


def ratio(a, b, form):
    return NONE if not a or not b else form.format(a / b)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def accept_table(bench, size, per_connections, sessions):
    rows = []
    for per_connection in per_connections:
        for count in sessions:
            cell = bench.accept.get((size, per_connection, count), {})
            godwit, postfix, sink = cell.get("godwit"), cell.get("postfix"), cell.get("sink")
            g, p, s = (middle(x, "rate") for x in (godwit, postfix, sink))
            rows.append([str(per_connection), str(count), spread(sink), spread(godwit), spread(postfix),
                         ratio(g, p, "{:.1f}"), ratio(g, s, "{:.0%}"),
                         number(middle(godwit, "cpu"), 3), number(middle(postfix, "cpu"), 3),
                         f"{number(middle(godwit, 'witness'))}, {number(middle(postfix, 'witness'))}"])
    return table(["messages a connection", "sessions", "sink, /s", "Godwit, /s", "Postfix, /s", "Godwit : Postfix",
                  "Godwit : sink", "Godwit, CPU s per 1,000", "Postfix, CPU s per 1,000",
                  "witness before Godwit, Postfix"], rows)


def delivery_table(by_server):
    rows = []
    for name, label in (("godwit", "Godwit"), ("postfix", "Postfix")):
        runs = by_server.get(name)
        rows.append([label, spread(runs), number(middle(runs, "cpu"), 3), spread(runs, "witness")])
    both = [middle(by_server.get(name), "rate") for name in ("godwit", "postfix")]
    rows.append(["Godwit : Postfix", ratio(both[0], both[1], "{:.1f}"), "", ""])
    return table(["", "messages/s", "CPU s per 1,000", "witness"], rows)


def idle_table(bench):
    rows = []
    for (name, sessions), r in bench.idle.items():
        each = (r["full"] - r["empty"]) / max(r["opened"], 1)
        rows.append([{"godwit": "Godwit", "postfix": "Postfix"}[name], number(sessions), number(r["opened"]),
                     number(r["empty"] / 1024, 1), number(r["full"] / 1024, 1), number(each, 1), number(r["rate"]),
                     number(r["errors"]), number(r["alive"])])
    return table(["", "sessions", "opened", "PSS without, MiB", "PSS with, MiB", "KiB a session",
                  "mail meanwhile, /s", "its errors", "answer afterwards"], rows)


def aims_table(bench):
    cell = bench.accept.get((4096, 50, 50), {})
    rate = {name: middle(cell.get(name), "rate") for name in ("godwit", "postfix", "sink")}
    held = max(((r["opened"], r["alive"], r["errors"], (r["full"] - r["empty"]) / max(r["opened"], 1))
                for (name, _), r in bench.idle.items() if name == "godwit"), default=None)
    rows = [["times Postfix's rate", "15", ratio(rate["godwit"], rate["postfix"], "{:.1f}")],
            ["of the sink's rate", "60%", ratio(rate["godwit"], rate["sink"], "{:.0%}")],
            ["CPU seconds per 1,000 messages accepted", "0.06", number(middle(cell.get("godwit"), "cpu"), 3)],
            ["KiB an idle session", "12", number(held[3], 1) if held else NONE],
            ["idle sessions held while mail flows", "10,000",
             f"{number(held[1])} ({number(held[2])} errors)" if held else NONE]]
    return table(["at 50 sessions, 4 KiB, 50 messages a connection", "aim", "measured"], rows)


HEAD = """# Benchmarks

Made by `make bench` (`bench/run`); run it again on your machine, it takes about twenty minutes. Generator and servers
share the processors, and neighbours share the disk: compare within a row, not between machines, and look at the
spread and the witness.

- **Machine**: {model}, {processors} processors, {memory_mib:,} MiB; Linux {kernel}; {fs} on {device}; load {load:.1f}
  before the run; {date}.
- **Servers**: this Godwit, release build; Debian's Postfix {postfix} (`default_process_limit` raised to 400, client
  limits off, not chrooted, its log lines {postfix_log}); a sink that answers everything and keeps nothing, one
  process: the ceiling of the generator and of loopback. No TLS, no DNS, one recipient with a Maildir. Both make a
  message durable before 250; Godwit's log lines go to a file.
- **Method**: `bench/smtp_load.c`, one thread with one epoll, on the same machine, without pipelining. The servers
  take turns, each with a new directory on the same file system; what one has left is moved aside, nothing is deleted
  before the end. Rounds: {rounds}, of {cell_s} s a cell; medians (lowest to highest).
- **Witness**: files of 4 KiB created and synced a second, measured just before each cell. Where it differs between
  the servers, so do their numbers: the file system remembers what was created before.
- **CPU**: user and system time of all processes of the server, those it has reaped included; the generator's is not
  in it.
"""


ACCEPT = """## Accept

A message is taken, made durable, answered 250, and held: Godwit with `delivery {{ paused on; }}`, Postfix with HOLD.
Nothing is delivered.
"""

DELIVER = """## Receive and deliver

50 sessions send 4 KiB messages, 50 a connection, for {deliver_s:g} s; the time counts until the last one is in the
Maildir. Both allow 100 deliveries at a time.

"""

LOCAL = """## Local delivery

{local_messages:,} messages of 4 KiB wait in the queue when the server is started; the time counts from there until the
last one is in the Maildir. Godwit syncs file and directory, Postfix's virtual(8) the file.

"""

IDLE = """## Idle sessions

Sessions that have said EHLO and nothing since: PSS of all processes, less that without sessions, divided. Meanwhile 20
sessions send mail; afterwards each idle session is asked NOOP. Postfix runs a process a session, so more than
{idle_postfix_max:,} are not tried with it.

"""


def write(bench, plan, facts, sizes, per_connections, sessions):
    is_logged = os.path.exists("/dev/log")
    log = "sent to syslog, whose time is not counted" if is_logged else "dropped, as no syslog daemon runs here"
    version = bench.postfix.package_version if bench.postfix else "(not run)"
    parts = [HEAD.format(rounds=plan.rounds, cell_s=plan.cell_s, postfix=version, postfix_log=log, **facts),
             "## Aims\n\n" + aims_table(bench), ACCEPT.format()]
    for size in sizes:
        parts.append(f"### {size // 1024} KiB\n\n" + accept_table(bench, size, per_connections, sessions))
    parts.append(DELIVER.format(deliver_s=plan.deliver_s) + delivery_table(bench.deliver))
    parts.append(LOCAL.format(local_messages=plan.local_messages) + delivery_table(bench.local))
    parts.append(IDLE.format(idle_postfix_max=plan.idle_postfix_max) + idle_table(bench))
    if bench.notes:
        parts.append("## Notes\n\n" + "".join(f"- {note}\n" for note in dict.fromkeys(bench.notes)))
    return "\n".join(parts)
