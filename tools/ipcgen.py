#!/usr/bin/env python3
"""Generate ipc_messages.h and ipc_messages.c from messages.def and topology.def.

usage: ipcgen.py MESSAGES TOPOLOGY HEADER SOURCE     write the two files
       ipcgen.py MESSAGES TOPOLOGY --seeds FOLDER    write seeds for the fuzz targets: FOLDER/ipc_decode/ has one file a
                                                     form, FOLDER/ipc_peer/ one a message, sender and receiver

What the grammar of messages.def is stands at its head. Checked here, with file and line in every complaint: names are
known and unique, bounds are sane, structs contain no cycle, waiting edges of topology.def (but operators') make no
cycle, each call's caller may wait for its callee, and no message of fixed parts is longer than a frame.
"""
import re
import sys
from pathlib import Path

ROLES = ["parent", "edge", "queue", "relay", "local", "deliver", "resolver", "directory", "keys", "control", "web",
         "fetch"]
ANY = [r for r in ROLES if r not in ("parent", "deliver")]
SCALARS = {"u8": ("uint8_t", 1), "u16": ("uint16_t", 2), "u32": ("uint32_t", 4), "u64": ("uint64_t", 8),
           "i64": ("int64_t", 8), "bool": ("bool", 1)}
# Names that would collide with those of channel.h and codec.h.
RESERVED = {"call", "post", "hub", "link", "peer", "service", "counters", "type", "types", "form", "forms", "reader",
            "writer", "frame", "role", "serve_fn"}
TEXT_MAX = 32 * 1024 * 1024
LIST_MAX = 10000
FORM_FDS_MAX = 2
FRAME_BODY_MAX = 128 * 1024 - 12


class Complaint(Exception):
    pass


def complain(where, what):
    raise Complaint(f"{where[0]}:{where[1]}: {what}")


class Field:
    def __init__(self, name, kind, bound, of, where):
        self.name, self.kind, self.bound, self.of, self.where = name, kind, bound, of, where

    @property
    def width(self):
        """Bytes of the length before a text or list."""
        return 1 if self.bound <= 0xff else 2 if self.bound <= 0xffff else 4


class Form:
    """A struct that is encoded: a part, a record, a post, a request or a reply."""

    def __init__(self, name, fields, where):
        self.name, self.fields, self.where = name, fields, where

    def size(self, forms, which):
        total = 0
        for f in self.fields:
            if f.kind in SCALARS:
                total += SCALARS[f.kind][1]
            elif f.kind == "fd":
                total += 1
            elif f.kind == "text":
                total += f.width + (f.bound if which == "max" else 0)
            else:
                total += f.width + (f.bound * forms[f.of].size(forms, which) if which == "max" else 0)
        return total

    @property
    def fds(self):
        return [f for f in self.fields if f.kind == "fd"]


class Message:
    def __init__(self, kind, name, senders, receivers, request, reply, taker, where):
        self.kind, self.name, self.senders, self.receivers = kind, name, senders, receivers
        self.request, self.reply, self.taker, self.where = request, reply, taker, where


def tokenize(path):
    tokens = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        for text in re.findall(r"->|[{};,]|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|\S", line.split("#", 1)[0]):
            tokens.append((text, (str(path), number)))
    return tokens


class Reader:
    """messages.def as a row of tokens."""

    def __init__(self, path):
        self.tokens, self.at, self.path = tokenize(path), 0, path

    def peek(self):
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    @property
    def where(self):
        return self.tokens[min(self.at, len(self.tokens) - 1)][1]

    def take(self, wanted=None):
        if self.at >= len(self.tokens):
            complain((self.path, "end"), f"expected {wanted or 'more'}")
        text, where = self.tokens[self.at]
        if wanted is not None and text != wanted:
            complain(where, f"expected {wanted!r}, found {text!r}")
        self.at += 1
        return text

    def name(self):
        where, text = self.where, self.take()
        if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
            complain(where, f"{text!r} is not a name")
        return text

    def number(self, low, high):
        where, text = self.where, self.take()
        if not text.isdigit() or not low <= int(text) <= high:
            complain(where, f"{text!r} is not a number from {low} to {high}")
        return int(text)

    def roles(self):
        found = []
        while True:
            where, text = self.where, self.name()
            if text != "any" and text not in ROLES:
                complain(where, f"no role {text!r}")
            found += ANY if text == "any" else [text]
            if self.peek() != ",":
                return found
            self.take(",")

    def fields(self):
        self.take("{")
        fields = []
        while self.peek() != "}":
            where, name, kind = self.where, self.name(), self.name()
            bound, of = 0, None
            if kind == "text":
                bound = self.number(1, TEXT_MAX)
            elif kind == "list":
                of = self.name()
                bound = self.number(1, LIST_MAX)
            elif kind not in SCALARS and kind != "fd":
                complain(where, f"no field type {kind!r}")
            if any(f.name in (name, name + "_count") or f.name + "_count" == name for f in fields):
                complain(where, f"second field {name!r}")
            fields.append(Field(name, kind, bound, of, where))
            self.take(";")
        self.take("}")
        return fields


def read_messages(path):
    """Return (structs, records, messages): dicts of Form by name, and a list."""
    r = Reader(path)
    structs, records, messages, names = {}, {}, [], set()
    while r.peek() is not None:
        taker = r.take() if r.peek() in ("system", "hub") else None
        where, kind, name = r.where, r.take(), r.name()
        if name in RESERVED or name in names or name.endswith("_reply") or name.endswith("_service"):
            complain(where, f"the name {name!r} is taken")
        names.add(name)
        if kind in ("struct", "record"):
            (structs if kind == "struct" else records)[name] = Form(name, r.fields(), where)
            continue
        if kind not in ("call", "post"):
            complain(where, f"expected struct, record, call or post, found {kind!r}")
        senders = r.roles()
        r.take("->")
        receivers = r.roles()
        request, reply = Form(name, r.fields(), where), None
        if kind == "call":
            r.take("reply")
            reply = Form(name + "_reply", r.fields(), where)
        if taker and (kind != "post" or senders != ["parent"]):
            complain(where, f"{taker} messages are posts of the parent")
        messages.append(Message(kind, name, senders, receivers, request, reply, taker, where))
    return structs, records, messages


def read_topology(path):
    waits, where_of, operators = {}, {}, set()
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        where = (str(path), number)
        head, colon, callees = line.partition(":")
        words = head.split()
        if not colon or not words or len(words) > 2 or (len(words) == 2 and words[0] != "operator"):
            complain(where, "expected [operator] CALLER: CALLEES")
        caller = words[-1]
        for role in [caller] + callees.split():
            if role not in ROLES:
                complain(where, f"no role {role!r}")
        if caller in waits:
            complain(where, f"second line for {caller!r}")
        waits[caller] = callees.split()
        where_of[caller] = where
        if len(words) == 2:
            operators.add(caller)
    find_cycle({caller: callees for caller, callees in waits.items() if caller not in operators}, where_of)
    return waits


def find_cycle(edges, where_of):
    done, path = set(), []

    def visit(node):
        if node in path:
            complain(where_of[path[-1]], "cycle: " + " -> ".join(path[path.index(node):] + [node]))
        if node in done:
            return
        path.append(node)
        for after in edges.get(node, []):
            visit(after)
        path.pop()
        done.add(node)

    for start in edges:
        visit(start)


def check(structs, records, messages, waits):
    forms = list(structs.values()) + list(records.values())
    forms += [f for m in messages for f in (m.request, m.reply) if f is not None]
    for form in forms:
        for f in form.fields:
            if f.kind == "list" and f.of not in structs:
                complain(f.where, f"no struct {f.of!r}")
            if f.kind == "fd" and form.name in structs:
                complain(f.where, "a descriptor inside a struct")
        if len(form.fds) > FORM_FDS_MAX:
            complain(form.where, f"more than {FORM_FDS_MAX} descriptors")
        if form.fds and form.name in records:
            complain(form.where, "a descriptor in a record")
    find_cycle({n: [f.of for f in s.fields if f.kind == "list"] for n, s in structs.items()},
               {n: s.where for n, s in structs.items()})
    for m in messages:
        for s in m.senders:
            for r in m.receivers:
                if s == r:
                    complain(m.where, f"{m.name}: {s} to itself")
                if m.kind == "call" and r not in waits.get(s, []):
                    complain(m.where, f"{m.name}: topology lets no {s} wait for {r}")
        for form in (m.request, m.reply):
            if form and form.size(structs, "min") > FRAME_BODY_MAX:
                complain(m.where, f"{m.name} does not fit a frame")


def ordered(structs):
    """Structs after the structs they contain."""
    done = []

    def visit(name):
        if name in done:
            return
        for f in structs[name].fields:
            if f.kind == "list":
                visit(f.of)
        done.append(name)

    for name in structs:
        visit(name)
    return [structs[n] for n in done]


# --- C ---------------------------------------------------------------------------------------------------------------

def c_members(form):
    lines = []
    for f in form.fields:
        if f.kind in SCALARS:
            lines.append(f"    {SCALARS[f.kind][0]} {f.name};")
        elif f.kind == "text":
            lines.append(f"    struct span {f.name}; /* at most {f.bound} bytes */")
        elif f.kind == "fd":
            lines.append(f"    int {f.name}; /* -1: none */")
        else:
            lines.append(f"    const struct ipc_{f.of} *{f.name}; /* at most {f.bound} */")
            lines.append(f"    size_t {f.name}_count;")
    return lines or ["    char nothing;"]


def c_struct(form):
    return [f"struct ipc_{form.name} {{"] + c_members(form) + ["};", ""]


def c_bounds(form):
    rows = [f"    IPC_{form.name.upper()}_{f.name.upper()}_MAX = {f.bound}," for f in form.fields if f.bound]
    return ["enum {"] + rows + ["};", ""] if rows else []


def role_mask(roles):
    return " | ".join(f"ROLE_BIT(ROLE_{r.upper()})" for r in roles)


def serves(messages, role):
    return [m for m in messages if role in m.receivers and not m.taker]


def c_handler(m):
    last = f", struct ipc_{m.name}_reply *ret" if m.reply else ""
    argument = "request" if m.reply else "message"
    return (f"void (*{m.name})(struct fiber *f, void *ctx, struct ipc_peer *from, "
            f"const struct ipc_{m.name} *{argument}, struct arena *mem{last});")


def c_header(structs, records, messages):
    out = ["/* ipc_messages.h - generated by tools/ipcgen.py from messages.def and topology.def. */",
           "#ifndef GODWIT_IPC_MESSAGES_H", "#define GODWIT_IPC_MESSAGES_H", "",
           '#include "ipc/channel.h"', '#include "ipc/codec.h"', ""]
    out += ["enum ipc_type_number {"] + [f"    IPC_TYPE_{m.name.upper()}," for m in messages]
    out += ["    IPC_TYPE_COUNT,", "};", ""]
    out += ["/* One message: who may say it to whom, and its forms. */", "struct ipc_type {", "    const char *name;",
            "    unsigned senders;   /* set of ROLE_BIT */", "    unsigned receivers;",
            "    bool is_system;     /* served by the process itself, not by its role */",
            "    const struct ipc_form *request;", "    const struct ipc_form *reply; /* NULL: a post */", "};", "",
            "extern const struct ipc_type ipc_types[IPC_TYPE_COUNT];", "",
            "/* Every form, for tests that go over all of them. */",
            "extern const struct ipc_form *const ipc_forms[];", "extern const size_t ipc_form_count;", "",
            "/* Differs between builds whose messages differ. */", "extern const uint64_t ipc_protocol;", ""]
    for form in ordered(structs) + list(records.values()):
        out += c_struct(form) + c_bounds(form)
    for r in records.values():
        out += [f"NODISCARD enum err ipc_{r.name}_encode(const struct ipc_{r.name} *record, struct buf *to);",
                f"NODISCARD enum err ipc_{r.name}_decode(struct span bytes, struct arena *mem, "
                f"struct ipc_{r.name} *ret);", ""]
    for m in messages:
        out.append(f"/* {m.kind}: {', '.join(m.senders)} -> {', '.join(m.receivers)} */")
        out += c_struct(m.request) + c_bounds(m.request)
        if m.reply:
            out += c_struct(m.reply) + c_bounds(m.reply)
            out += [f"NODISCARD enum err ipc_{m.name}(struct fiber *f, struct deadline by, struct ipc_link *to,",
                    f"    const struct ipc_{m.name} *request, struct arena *mem, struct ipc_{m.name}_reply *ret);", ""]
        else:
            out += [f"NODISCARD enum err ipc_post_{m.name}(struct ipc_link *to, "
                    f"const struct ipc_{m.name} *message);", ""]
    tables = [(role, serves(messages, role)) for role in ROLES]
    tables = [(role, ms) for role, ms in tables if ms] + [("system", [m for m in messages if m.taker == "system"])]
    for role, ms in tables:
        out += [f"struct ipc_{role}_service {{"] + [f"    {c_handler(m)}" for m in ms] + ["};",
                f"void ipc_hub_serve_{role}(struct ipc_hub *hub, const struct ipc_{role}_service *service, "
                "void *ctx);", ""]
    out += ["#define ipc_hub_serve(hub, service, ctx) _Generic((service), \\"]
    rows = []
    for role, _ in tables:
        rows += [f"    struct ipc_{role}_service *: ipc_hub_serve_{role}",
                 f"    const struct ipc_{role}_service *: ipc_hub_serve_{role}"]
    out += [", \\\n".join(rows) + ")((hub), (service), (ctx))", "", "#endif"]
    return "\n".join(out) + "\n"


def c_measure(form):
    body = []
    if not form.fields:
        body.append("    (void)m;")
    fixed = sum(SCALARS[f.kind][1] if f.kind in SCALARS else 1 if f.kind == "fd" else f.width for f in form.fields)
    if form.fields and all(f.kind in SCALARS or f.kind == "fd" for f in form.fields):
        body.append("    (void)m;")
    for f in form.fields:
        if f.kind == "text":
            body += [f"    if (m->{f.name}.len > {f.bound}u)", "        return false;",
                     f"    *bytes += m->{f.name}.len;"]
        elif f.kind == "list":
            body += [f"    if (m->{f.name}_count > {f.bound}u)", "        return false;",
                     f"    for (size_t i = 0; i < m->{f.name}_count; i++)",
                     f"        if (!{f.of}_measure(&m->{f.name}[i], bytes))", "            return false;"]
    return ["static bool", f"{form.name}_measure(const void *message, size_t *bytes)", "{",
            f"    const struct ipc_{form.name} *m = message;",
            f"    *bytes += {fixed};"] + body + ["    return true;", "}", ""]


def c_put(form):
    body = []
    if not form.fields:
        body.append("    (void)w, (void)m;")
    for f in form.fields:
        if f.kind == "bool":
            body.append(f"    ipc_put_u8(w, m->{f.name} ? 1 : 0);")
        elif f.kind == "i64":
            body.append(f"    ipc_put_u64(w, (uint64_t)m->{f.name});")
        elif f.kind in SCALARS or f.kind == "fd":
            body.append(f"    ipc_put_{f.kind}(w, m->{f.name});")
        elif f.kind == "text":
            body.append(f"    ipc_put_text(w, {f.width}, m->{f.name});")
        else:
            body += [f"    ipc_put_length(w, {f.width}, m->{f.name}_count);",
                     f"    for (size_t i = 0; i < m->{f.name}_count; i++)", f"        {f.of}_put(w, &m->{f.name}[i]);"]
    return ["static void", f"{form.name}_put(struct ipc_writer *w, const void *message)", "{",
            f"    const struct ipc_{form.name} *m = message;"] + body + ["}", ""]


def c_take(form, structs):
    body = []
    if not form.fields:
        body.append("    (void)r, (void)m;")
    for f in form.fields:
        if f.kind == "i64":
            body.append(f"    m->{f.name} = (int64_t)ipc_take_u64(r);")
        elif f.kind in SCALARS or f.kind == "fd":
            body.append(f"    m->{f.name} = ipc_take_{f.kind}(r);")
        elif f.kind == "text":
            body.append(f"    m->{f.name} = ipc_take_text(r, {f.width}, {f.bound}u);")
        else:
            least = structs[f.of].size(structs, "min")
            body += [f"    size_t {f.name}_count = ipc_take_length(r, {f.width}, {f.bound}u);",
                     f"    struct ipc_{f.of} *{f.name} = ipc_take_list(r, {f.name}_count, sizeof(*{f.name}), {least});",
                     f"    for (size_t i = 0; {f.name} != NULL && i < {f.name}_count; i++)",
                     f"        {f.of}_take(r, &{f.name}[i]);",
                     f"    m->{f.name} = {f.name};",
                     f"    m->{f.name}_count = {f.name} == NULL ? 0 : {f.name}_count;"]
    return ["static void", f"{form.name}_take(struct ipc_reader *r, void *ret)", "{",
            f"    struct ipc_{form.name} *m = ret;"] + body + ["}", ""]


def c_form(form, structs):
    fds = ", ".join(f"offsetof(struct ipc_{form.name}, {f.name})" for f in form.fds) or "0"
    return [f"static const struct ipc_form {form.name}_form = {{",
            f'    "{form.name}", sizeof(struct ipc_{form.name}), {form.size(structs, "min")},',
            f'    {form.size(structs, "max")},',
            f"    {len(form.fds)}, {{{fds}}}, {form.name}_measure, {form.name}_put, {form.name}_take,", "};", ""]


def c_record(r):
    return ["enum err", f"ipc_{r.name}_encode(const struct ipc_{r.name} *record, struct buf *to)", "{",
            "    size_t bytes;", f"    TRY(ipc_form_measure(&{r.name}_form, record, &bytes));",
            "    uint8_t *at = buf_reserve(to, bytes);", "    if (at == NULL)", "        return ERR_LIMIT;",
            "    int fds[IPC_FORM_FDS_MAX];", "    size_t fd_count;",
            f"    ipc_form_put(&{r.name}_form, record, at, bytes, fds, &fd_count);", "    buf_advance(to, bytes);",
            "    return ERR_OK;", "}", "",
            "enum err", f"ipc_{r.name}_decode(struct span bytes, struct arena *mem, struct ipc_{r.name} *ret)", "{",
            f"    struct ipc_{r.name} record;",
            f"    TRY(ipc_form_decode(&{r.name}_form, bytes, NULL, 0, mem, false, &record));",
            "    *ret = record;", "    return ERR_OK;", "}", ""]


def c_stub(m):
    if m.reply:
        return ["enum err", f"ipc_{m.name}(struct fiber *f, struct deadline by, struct ipc_link *to,",
                f"    const struct ipc_{m.name} *request, struct arena *mem, struct ipc_{m.name}_reply *ret)", "{",
                f"    return ipc_call(f, by, to, IPC_TYPE_{m.name.upper()}, request, mem, ret);", "}", ""]
    return ["enum err", f"ipc_post_{m.name}(struct ipc_link *to, const struct ipc_{m.name} *message)", "{",
            f"    return ipc_post(to, IPC_TYPE_{m.name.upper()}, message);", "}", ""]


def c_service(role, ms):
    out = []
    for m in ms:
        last = ", reply" if m.reply else ""
        out += ["static void",
                f"{role}_serve_{m.name}(const void *service, struct fiber *f, void *ctx, struct ipc_peer *from, "
                "const void *request, struct arena *mem, void *reply)", "{",
                f"    const struct ipc_{role}_service *table = service;"]
        out += [] if m.reply else ["    (void)reply;"]
        out += [f"    table->{m.name}(f, ctx, from, request, mem{last});", "}", ""]
    out += [f"static ipc_serve_fn *const {role}_table[IPC_TYPE_COUNT] = {{"]
    out += [f"    [IPC_TYPE_{m.name.upper()}] = {role}_serve_{m.name}," for m in ms] + ["};", ""]
    call = "ipc_hub_serve_system_table(hub, " if role == "system" else f"ipc_hub_serve_table(hub, ROLE_{role.upper()}, "
    out += ["void",
            f"ipc_hub_serve_{role}(struct ipc_hub *hub, const struct ipc_{role}_service *service, void *ctx)", "{"]
    out += [f"    ASSERT(service->{m.name} != NULL);" for m in ms]
    out += [f"    {call}{role}_table, service, ctx);", "}", ""]
    return out


def fnv64(data):
    h = 0xcbf29ce484222325
    for octet in data:
        h = (h ^ octet) * 0x100000001b3 % 2**64
    return h


def c_source(structs, records, messages, protocol):
    out = ["/* ipc_messages.c - generated by tools/ipcgen.py from messages.def and topology.def. */",
           '#include "ipc/ipc_messages.h"', "", '#include "base/assert.h"', ""]
    forms = list(records.values()) + [f for m in messages for f in (m.request, m.reply) if f is not None]
    used = set()

    def mark(form):
        for f in form.fields:
            if f.kind == "list" and f.of not in used:
                used.add(f.of)
                mark(structs[f.of])

    for form in forms:
        mark(form)
    for form in [s for s in ordered(structs) if s.name in used] + forms:
        out += c_measure(form) + c_put(form) + c_take(form, structs)
    for form in forms:
        out += c_form(form, structs)
    out += ["const struct ipc_form *const ipc_forms[] = {"] + [f"    &{f.name}_form," for f in forms] + ["};"]
    out += [f"const size_t ipc_form_count = {len(forms)};", "",
            f"const uint64_t ipc_protocol = 0x{protocol:016x}u;", ""]
    out += ["const struct ipc_type ipc_types[IPC_TYPE_COUNT] = {"]
    for m in messages:
        reply = f"&{m.name}_reply_form" if m.reply else "NULL"
        out += [f'    [IPC_TYPE_{m.name.upper()}] = {{"{m.name}", {role_mask(m.senders)},',
                f"        {role_mask(m.receivers)},",
                f"        {'true' if m.taker == 'system' else 'false'}, &{m.name}_form, {reply}}},"]
    out += ["};", ""]
    talks = {r: set() for r in ROLES}
    for m in messages:
        for s in m.senders:
            for r in m.receivers:
                talks[s].add(r)
                talks[r].add(s)
    out += ["static const unsigned talks[ROLE_COUNT] = {"]
    out += [f"    [ROLE_{r.upper()}] = {role_mask([x for x in ROLES if x in talks[r]])}," for r in ROLES if talks[r]]
    out += ["};", "", "bool", "ipc_role_talks_to(enum ipc_role a, enum ipc_role b)", "{",
            "    return (talks[a] & ROLE_BIT(b)) != 0;", "}", ""]
    for r in records.values():
        out += c_record(r)
    for m in messages:
        out += c_stub(m)
    for role in ROLES:
        if serves(messages, role):
            out += c_service(role, serves(messages, role))
    out += c_service("system", [m for m in messages if m.taker == "system"])
    return "\n".join(out).rstrip("\n") + "\n"


# --- seeds -----------------------------------------------------------------------------------------------------------

def seed_bytes(form, structs, fill):
    out = b""
    for f in form.fields:
        if f.kind in SCALARS:
            out += (1 if f.kind == "bool" else 7).to_bytes(SCALARS[f.kind][1], "little")
        elif f.kind == "fd":
            out += b"\x01" if fill else b"\x00"
        elif f.kind == "text":
            text = f.name.encode()[:f.bound] if fill else b""
            out += len(text).to_bytes(f.width, "little") + text
        else:
            count = min(2, f.bound) if fill else 0
            out += count.to_bytes(f.width, "little") + seed_bytes(structs[f.of], structs, fill) * count
    return out


def frame_bytes(kind, number, call_id, fds, body):
    return (len(body).to_bytes(4, "little") + number.to_bytes(2, "little") + bytes([kind, fds]) +
            call_id.to_bytes(4, "little") + body)


def write_codec_seeds(structs, records, messages, folder):
    """The target reads: form number, descriptor count, encoding; or 255 and a packet."""
    forms = list(records.values()) + [f for m in messages for f in (m.request, m.reply) if f is not None]
    for number, form in enumerate(forms):
        for fill in (False, True):
            fds = len(form.fds) if fill else 0
            (folder / f"{form.name}-{'full' if fill else 'empty'}").write_bytes(
                bytes([number, fds]) + seed_bytes(form, structs, fill))
    frame = frame_bytes(0, 0, 0, 0, seed_bytes(messages[0].request, structs, False))
    (folder / "packet").write_bytes(b"\xff" + frame * 3)


def write_channel_seeds(structs, messages, folder):
    """The target reads: role of the hub, role of its peer, then packets, length and descriptors before each."""
    order = ["edge", "queue", "local", "resolver", "directory", "control", "parent"]

    def packet(frames, fds):
        return len(frames).to_bytes(2, "big") + bytes([fds]) + frames

    for number, m in enumerate(messages):
        body, fds = seed_bytes(m.request, structs, True), len(m.request.fds)
        frame = frame_bytes(1 if m.reply else 0, number, 5 if m.reply else 0, fds, body)
        for s in m.senders:
            for r in m.receivers:
                if s in order and r in order:
                    (folder / f"{m.name}-{s}-{r}").write_bytes(
                        bytes([order.index(r), order.index(s)]) + packet(frame, fds) + packet(frame + frame, 2 * fds))
        if m.name == "recipient_check":
            reply = frame_bytes(2, number, 1024, 0, seed_bytes(m.reply, structs, True))
            (folder / "reply").write_bytes(bytes([order.index("edge"), order.index("directory")]) + packet(reply, 0))


def write_seeds(structs, records, messages, folder):
    for name in ("ipc_decode", "ipc_peer"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_codec_seeds(structs, records, messages, folder / "ipc_decode")
    write_channel_seeds(structs, messages, folder / "ipc_peer")


def main(argv):
    if len(argv) != 5:
        sys.exit(__doc__)
    try:
        structs, records, messages = read_messages(argv[1])
        check(structs, records, messages, read_topology(argv[2]))
    except Complaint as complaint:
        sys.exit(f"ipcgen: {complaint}")
    if argv[3] == "--seeds":
        write_seeds(structs, records, messages, Path(argv[4]))
        return
    Path(argv[3]).write_text(c_header(structs, records, messages))
    Path(argv[4]).write_text(c_source(structs, records, messages, fnv64(Path(argv[1]).read_bytes())))


if __name__ == "__main__":
    main(sys.argv)
