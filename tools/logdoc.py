#!/usr/bin/env python3
"""Make docs/log.md from the one table of log events, src/net/log_events.def.

usage: logdoc.py EVENTS.def OUTPUT.md            write
       logdoc.py --check EVENTS.def OUTPUT.md    exit 1 when OUTPUT.md is not what would be written
"""
import re
import sys

HEAD = """# What Godwit logs

<!-- Made from src/net/log_events.def by tools/logdoc.py: change that file, not this one. -->

One line per event: `event=NAME severity=WORD origin=ROLE.INSTANCE KEY=VALUE ...`, or one JSON object a line with the same
names. Event names, keys and the meaning of values are stable; new keys may appear. A value is in double quotes when it is empty or holds
a space, a quote, an equals sign or a backslash; octets that are not printable ASCII are written `\\xNN`, quotes and
backslashes have a backslash before them. Values are cut after 512 octets (`...`); a line that became too long ends with
`shortened=1`. Each event is also counted, whether its line is written or not; `godwit status --json` shows the counts.

"""


def read_table(path):
    """The groups of events (title, rows) and the rows of keys."""
    groups, keys = [], []
    for line in open(path, encoding="utf-8"):
        title = re.match(r"/\* (.+) \*/\s*$", line)
        event = re.match(r'LOG_EVENT\((\w+), "([a-z0-9-]+)", ([A-Z]+), "(.*)"\)\s*$', line)
        key = re.match(r'LOG_KEY\((\w+), "([a-z0-9_]+)", "(.*)"\)\s*$', line)
        if title:
            groups.append((title.group(1), []))
        elif event:
            groups[-1][1].append((event.group(2), event.group(3).lower(), event.group(4)))
        elif key:
            keys.append((key.group(2), key.group(3)))
        elif re.match(r"LOG_(EVENT|KEY)\(", line):
            sys.exit(f"{path}: cannot read: {line.strip()}")
    return groups, keys


def render(groups, keys):
    out = [HEAD]
    seen = set()
    for title, rows in groups:
        if not rows:
            continue
        out.append(f"## {title[0].upper()}{title[1:]}\n\n| event | severity | meaning |\n|---|---|---|\n")
        for name, severity, sentence in rows:
            if name in seen:
                sys.exit(f"event {name} stands twice")
            seen.add(name)
            out.append(f"| `{name}` | {severity} | {sentence} |\n")
        out.append("\n")
    out.append("## Keys\n\n| key | meaning |\n|---|---|\n")
    for name, sentence in keys:
        out.append(f"| `{name}` | {sentence} |\n")
    return "".join(out)


def main(arguments):
    check = arguments[:1] == ["--check"]
    if len(arguments) != 2 + check:
        sys.exit(__doc__)
    source, output = arguments[-2:]
    text = render(*read_table(source))
    if not check:
        open(output, "w", encoding="utf-8").write(text)
    elif open(output, encoding="utf-8").read() != text:
        sys.exit(f"{output} is not current: run tools/logdoc.py {source} {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
