#!/usr/bin/env python3
"""ipcgen_test.py - what ipcgen.py refuses, and where it says the mistake is. usage: ipcgen_test.py IPCGEN"""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

IPCGEN = str(Path(sys.argv.pop(1)).resolve())
GOOD = "call ask edge -> queue { what text 10; } reply { answer u8; }\npost tell parent -> any { n u32; }\n"
TOPOLOGY = "edge: queue\n"
FOLDERS = []  # removed at exit

# name, messages, topology, part of the complaint
REFUSED = [
    ("call along no waiting edge", "call ask queue -> edge { n u8; } reply { }", TOPOLOGY,
     "m.def:1: ask: topology lets no queue"),
    ("cycle of waiting", GOOD, "edge: queue\nqueue: local\nlocal: edge\n", "cycle: edge -> queue -> local -> edge"),
    ("waits for itself", GOOD, "edge: edge queue\n", "cycle: edge -> edge"),
    ("cycle beside an operator", GOOD, "operator control: edge\nedge: queue\nqueue: edge\n", "cycle"),
    ("no such role in topology", GOOD, "edge: queue editor\n", "t.def:1: no role 'editor'"),
    ("no such role", "post tell edge -> editor { n u8; }", TOPOLOGY, "m.def:1: no role 'editor'"),
    ("to itself", "post tell edge -> edge { n u8; }", TOPOLOGY, "edge to itself"),
    ("unbounded text", "post tell edge -> queue { t text; }", TOPOLOGY, "not a number"),
    ("text beyond any bound", "post tell edge -> queue { t text 99999999; }", TOPOLOGY, "not a number from 1"),
    ("no such type", "post tell edge -> queue { t string 9; }", TOPOLOGY, "no field type 'string'"),
    ("no such struct", "post tell edge -> queue {\n t list part 9; }", TOPOLOGY, "m.def:2: no struct 'part'"),
    ("structs in a circle", "struct a { b list b 2; }\nstruct b { a list a 2; }\n" + GOOD, TOPOLOGY,
     "cycle: a -> b -> a"),
    ("descriptor inside a struct", "struct a { f fd; }\npost tell edge -> queue { a list a 2; }", TOPOLOGY,
     "descriptor inside"),
    ("three descriptors", "post tell edge -> queue { a fd; b fd; c fd; }", TOPOLOGY, "more than 2 descriptors"),
    ("second message of a name", GOOD + GOOD, TOPOLOGY, "m.def:3: the name 'ask' is taken"),
    ("second field of a name", "post tell edge -> queue { a u8; a u8; }", TOPOLOGY, "second field 'a'"),
    ("name of channel.h", "post hub edge -> queue { a u8; }", TOPOLOGY, "'hub' is taken"),
    ("call without reply", "call ask edge -> queue { n u8; }", TOPOLOGY, "expected reply"),
    ("system call", "system call ask edge -> queue { n u8; } reply { }", TOPOLOGY, "posts of the parent"),
]


def run(messages, topology, *rest):
    temporary = tempfile.TemporaryDirectory()
    FOLDERS.append(temporary)
    folder = Path(temporary.name)
    (folder / "m.def").write_text(messages)
    (folder / "t.def").write_text(topology)
    out = list(rest) or ["m.h", "m.c"]
    command = [sys.executable, IPCGEN, "m.def", "t.def"] + out
    return folder, subprocess.run(command, cwd=folder, capture_output=True, text=True)


class Generator(unittest.TestCase):
    def test_what_is_good_passes(self):
        folder, done = run(GOOD, TOPOLOGY)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        header = (folder / "m.h").read_text()
        self.assertIn("enum err ipc_ask(struct fiber *f, struct deadline by, struct ipc_link *to,", header)
        self.assertIn("struct ipc_queue_service {", header)

    def test_an_operator_may_ask_those_who_wait_for_it(self):
        _, done = run(GOOD, "edge: queue control\noperator control: edge queue\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_is_bad_is_refused_with_its_place(self):
        for name, messages, topology, complaint in REFUSED:
            with self.subTest(name):
                folder, done = run(messages, topology)
                self.assertEqual(done.returncode, 1)
                self.assertIn(complaint, done.stderr)
                self.assertFalse((folder / "m.h").exists())


if __name__ == "__main__":
    unittest.main()
