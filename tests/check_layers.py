#!/usr/bin/env python3
"""Check what the design says about layers, on the sources and on the compiled objects.

usage: check_layers.py SOURCE-ROOT BUILD-ROOT (C-COMPILER [ARGUMENT...] | --includes-only)

1. Includes go downward only; roles never include each other; inside proto the folders are ordered too.
2. Only crypto includes OpenSSL.
3. Objects of proto, policy and text call nothing but each other, base, and a short list of functions without side effects: no
   I/O, no clock, no randomness.
4. Libraries have no mutable static data: a role runs many times in one simulated program.

Sanitizers and fuzzing add symbols of their own to objects: --includes-only leaves 3 and 4 out. Each run first proves on
probes of its own, compiled with the given compiler, that the checks find what they are for.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

LAYERS = ["base", "text", "crypto", "proto", "policy", "rt", "ipc", "config", "store", "net"]
ROLES = ["edge", "queue", "relay", "local", "deliver", "resolver", "directory", "keys", "control", "parent", "web", "fetch", "cli"]

# Folders of proto: each group may include those before it.
PROTO_GROUPS = [["dns", "addr", "sasl"], ["msg", "smtp"], ["spf", "dkim", "mtasts", "dane"],
                ["dmarc", "arc", "dsn", "tlsrpt", "milter"]]

# What pure layers may call outside of the project, and text more than the others.
PURE_CALLS = set("""memcpy memmove memset memcmp memchr memmem memrchr strlen strnlen malloc calloc realloc reallocarray free
    snprintf vsnprintf bsearch qsort abort __stack_chk_fail
    __memcpy_chk __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk _GLOBAL_OFFSET_TABLE_""".split())
PURE_LIBRARIES = {"text": ["idn2_"], "proto": [], "policy": []}

MUTABLE_SECTIONS = re.compile(r"\.(data|bss|tdata|tbss)(\.(?!rel\.ro).*)?$|\*COM\*$")


def rank(layer):
    return len(LAYERS) if layer in ROLES else LAYERS.index(layer)


def proto_rank(folder):
    return next((i for i, group in enumerate(PROTO_GROUPS) if folder in group), None)


def check_include(path, own, target):
    """What is wrong with a file at own[0]/own[1]/... that includes target; None when nothing is."""
    if target[0] not in LAYERS + ROLES:
        return f"includes {'/'.join(target)}: no such layer"
    if rank(target[0]) > rank(own[0]) or (own[0] in ROLES and target[0] in ROLES and own[0] != target[0]):
        return f"includes upward or sideways: {'/'.join(target)}"
    if own[0] == target[0] == "proto" and own[1] != target[1]:
        mine, other = proto_rank(own[1]), proto_rank(target[1])
        if mine is None or other is None or other >= mine:
            return f"proto/{own[1]} must not include proto/{target[1]}"
    return None


def check_sources(source):
    problems = []
    for path in sorted((source / "src").rglob("*.[ch]")) + sorted((source / "src").rglob("*.def")):
        own = path.relative_to(source / "src").parts
        if own[0] not in LAYERS + ROLES:
            problems.append(f"{path}: {own[0]} is no layer")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            include = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not include:
                continue
            kind, target = include.groups()
            if kind == '"' and "/" in target:
                problem = check_include(path, own, target.split("/"))
            elif kind == "<" and target.startswith("openssl/") and own[0] != "crypto":
                problem = "only crypto includes OpenSSL"
            else:
                problem = None
            if problem:
                problems.append(f"{path.relative_to(source)}:{number}: {problem}")
    return problems


def read_symbols(archive):
    """(object, symbol, type, section) of every symbol in an archive."""
    text = subprocess.run(["nm", "-A", "--format=sysv", archive], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7:
            place, _, name = fields[0].rpartition(":")
            yield place.rpartition("/")[2], name, fields[2], fields[6]


def check_objects(build):
    symbols = {}
    for layer in LAYERS + ROLES:
        for archive in sorted((build / "src" / layer).glob("*.a")):
            symbols.setdefault(layer, []).extend(read_symbols(archive))
    defined = {layer: {name for _, name, kind, _ in rows if kind not in ("U", "w")} for layer, rows in symbols.items()}
    problems = []
    for layer, prefixes in PURE_LIBRARIES.items():
        below = LAYERS[:LAYERS.index(layer) + 1]
        known = PURE_CALLS.union(*(defined.get(name, set()) for name in below))
        for place, name, kind, _ in symbols.get(layer, []):
            if kind == "U" and name not in known and not any(name.startswith(prefix) for prefix in prefixes):
                problems.append(f"{layer}: {place} calls {name}, which a pure layer must not")
    for layer, rows in symbols.items():
        problems += [f"{layer}: {place} has mutable static data: {name}" for place, name, _, section in rows
                     if MUTABLE_SECTIONS.match(section)]
    for needed in PURE_LIBRARIES:
        if needed not in symbols:
            problems.append(f"{needed}: no library below {build}, nothing was checked")
    return problems


PROBE_SOURCES = {
    "src/proto/smtp/probe.c": """#include "proto/addr/path.h"
#include "rt/rt.h"
#include <openssl/ssl.h>
""",
    "src/proto/addr/probe.c": '#include "proto/smtp/reply.h"\n',
    "src/edge/probe.c": '#include "queue/queue.h"\n#include "edge/session.h"\n#include "net/log.h"\n',
}
PROBE_CODE = "int open(const char *, int); int probe(void); static int calls; static const char *const names[] = {\"a\"};" \
    "int probe(void) { return open(names[0], 0) + calls++; }"


def self_check(compiler):
    """The checks find what they are for: four wrong includes, one call of I/O, one variable; and nothing else."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text in PROBE_SOURCES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        found = check_sources(root)
        if len(found) != 4:
            sys.exit("self-check of includes failed:\n" + "\n".join(found))
        if not compiler:
            return
        for layer in PURE_LIBRARIES:
            (root / "src" / layer).mkdir(parents=True, exist_ok=True)
            objects = root / "src" / layer / "probe.o"
            code = PROBE_CODE if layer == "proto" else f"int {layer}_nothing(void); int {layer}_nothing(void) {{ return 0; }}"
            subprocess.run([*compiler, "-fPIC", "-x", "c", "-c", "-o", objects, "-"], input=code, text=True, check=True)
            subprocess.run(["ar", "rc", objects.with_name("libprobe.a"), objects], check=True)
        found = check_objects(root)
        if len(found) != 2 or " open," not in found[0] or "calls" not in found[1]:
            sys.exit("self-check of objects failed:\n" + "\n".join(found))


def main(arguments):
    if len(arguments) < 3:
        sys.exit(__doc__)
    source, build, compiler = pathlib.Path(arguments[0]), pathlib.Path(arguments[1]), arguments[2:]
    if compiler == ["--includes-only"]:
        compiler = []
    self_check(compiler)
    problems = check_sources(source)
    if compiler:
        problems += check_objects(build)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
