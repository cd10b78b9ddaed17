"""Fibers in gdb: `source tools/gdb_fibers.py`, then `fibers` and `fiber bt ADDRESS`.

Works on a process that was built with symbols, alive or as a core file. The runtime's `struct rt` is found through the frame
that runs the loop (rt_real_run), or given: `fibers RT-ADDRESS`.
"""
import gdb

STATES = {0: "ready", 1: "ready (time-out or cancelled)", 2: "running", 3: "parked", 4: "ended"}


def find_rt():
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.name() == "rt_real_run":
            return frame.read_var("rt")
        frame = frame.older()
    raise gdb.GdbError("no rt_real_run() in this thread; select the main thread or give the address of its struct rt")


def fibers_of(rt):
    fiber_type = gdb.lookup_type("struct fiber")
    offset = next(f.bitpos // 8 for f in fiber_type.fields() if f.name == "link")
    for name in ("ready", "parked", "idle"):
        head = rt.dereference()[name]
        node = head["next"]
        while node != head.address:
            yield (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(fiber_type.pointer())
            node = node.dereference()["next"]


class Fibers(gdb.Command):
    """fibers [RT]: every fiber that does not run, with its spawn site, state and stack in use."""

    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        rt = gdb.parse_and_eval(argument).cast(gdb.lookup_type("struct rt").pointer()) if argument else find_rt()
        for fiber in fibers_of(rt):
            f = fiber.dereference()
            depth = int(fiber) - int(f["sp"])
            print(f"{int(fiber):#x}  {f['site'].string():24} {STATES.get(int(f['state']), '?'):30} {depth} octets deep")


class FiberBacktrace(gdb.Command):
    """fiber bt ADDRESS: the backtrace of a fiber that is parked or ready."""

    def __init__(self):
        super().__init__("fiber bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        fiber = gdb.parse_and_eval(argument).cast(gdb.lookup_type("struct fiber").pointer()).dereference()
        saved = {name: gdb.parse_and_eval("$" + name) for name in ("rsp", "rip", "rbp")}
        words = gdb.lookup_type("unsigned long").pointer()
        sp = int(fiber["sp"])
        stack = gdb.Value(sp).cast(words)
        # The switch pushed the floating point control words and six registers; rbp is the last pushed first, rip above it.
        try:
            gdb.execute(f"set $rbp = {int(stack[RBP_SLOT])}")
            gdb.execute(f"set $rip = {int(stack[RIP_SLOT])}")
            gdb.execute(f"set $rsp = {sp + 8 * (RIP_SLOT + 1)}")
            gdb.execute("backtrace")
        finally:
            for name in ("rip", "rsp", "rbp"):
                gdb.execute(f"set ${name} = {int(saved[name])}")


RBP_SLOT = 6
RIP_SLOT = 7

class FiberPrefix(gdb.Command):
    """fiber bt ADDRESS"""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


FiberPrefix()
FiberBacktrace()
Fibers()
