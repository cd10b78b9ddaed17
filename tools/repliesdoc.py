#!/usr/bin/env python3
"""Make docs/replies.md from the one table of SMTP replies, src/proto/smtp/replies.def.

usage: repliesdoc.py REPLIES.def OUTPUT.md            write
       repliesdoc.py --check REPLIES.def OUTPUT.md    exit 1 when OUTPUT.md is not what would be written
"""
import re
import sys

HEAD = """# What Godwit answers

<!-- Made from src/proto/smtp/replies.def by tools/repliesdoc.py: change that file, not this one. -->

Every reply of the SMTP and LMTP server, with its code (RFC 5321), its enhanced status code (RFC 3463), its text and when it is
sent. The name stands in logs and trails and does not change; texts may. Words in braces are filled in; whatever a client chose is
written with each octet that is not printable ASCII, and each backslash, as `\\xNN`, and cut after 500 octets. The reply to EHLO has
a line for each extension after the one given here.

"""

ROW = re.compile(
    r'REPLY\(([A-Z0-9_]+),\s*"([a-z0-9-]+)",\s*(\d{3}),\s*(\d+),\s*(\d+),\s*(\d+),\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\)\s*',
    re.S)


def read_table(path):
    """The groups of replies: (title, rows of (name, code, status, text, when))."""
    text = open(path, encoding="utf-8").read()
    text = text[text.index("*/") + 2:]  # the head comment
    groups, at, names = [], 0, set()
    while at < len(text):
        title = re.compile(r"\s*/\* -+ (.+?) -+ \*/\s*").match(text, at)
        row = ROW.match(text, at)
        if title:
            groups.append((title.group(1), []))
        elif row:
            name, code, status, words, when = row.group(2), row.group(3), row.group(4, 5, 6), row.group(7), row.group(8)
            if name in names:
                sys.exit(f"{path}: {name} stands twice")
            names.add(name)
            groups[-1][1].append((name, code, "" if status[0] == "0" else ".".join(status), words, when))
        elif text[at:].strip():
            sys.exit(f"{path}: cannot read: {text[at:at + 80].strip()}")
        else:
            break
        at = (title or row).end()
    return groups


def cell(text):
    return text.replace("\\n", "<br>").replace('\\"', '"').replace("|", "\\|").replace("<{", "&lt;{").replace("}>", "}&gt;") \
        .replace("<address>", "&lt;address&gt;")


def render(groups):
    out = [HEAD]
    for title, rows in groups:
        out.append(f"## {title[0].upper()}{title[1:]}\n\n| code | status | text | when | name |\n|---|---|---|---|---|\n")
        for name, code, status, text, when in rows:
            out.append(f"| {code} | {status} | {cell(text)} | {cell(when)} | `{name}` |\n")
        out.append("\n")
    return "".join(out).rstrip("\n") + "\n"


def main(arguments):
    check = arguments[:1] == ["--check"]
    if len(arguments) != 2 + check:
        sys.exit(__doc__)
    source, output = arguments[-2:]
    text = render(read_table(source))
    if not check:
        open(output, "w", encoding="utf-8").write(text)
    elif open(output, encoding="utf-8").read() != text:
        sys.exit(f"{output} is not current: run tools/repliesdoc.py {source} {output}")


if __name__ == "__main__":
    main(sys.argv[1:])
