"""What every fuzzing test asks: a result or one clear line, and nothing executed; and strategies for damage."""

import platform
import sys
from collections import Counter
from contextlib import contextmanager

from hypothesis import note
from hypothesis import strategies as st

from fbgd.errors import EXPECTED, one_line

# Examples tried so far, and of these the refused ones, by kind.
TRIED: Counter[str] = Counter()
REFUSED: Counter[str] = Counter()
# What only code that was given as data would do while it is read: start processes, open connections.
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect", "shutil.rmtree")
watching: list[list[str]] = []


def audit(event: str, arguments: tuple) -> None:
    """Python's audit hook, which cannot be removed: it notes what is forbidden while something watches."""
    if watching and event in FORBIDDEN:
        watching[-1].append(f"{event} {arguments!r}")


sys.addaudithook(audit)
# Python asks a program of the system for this once, whenever a package, as that of a tracker, wants to know it.
platform.processor()


@contextmanager
def nothing_executed():
    """Within it no process is started and no connection opened."""
    watching.append([])
    try:
        yield
    finally:
        seen = watching.pop()
        assert not seen, seen


class Refused(str):
    """What is said in place of a result, one line."""


def attempt(kind, work, errors=EXPECTED, says=""):
    """The result of ``work``, or the one line that refuses it; any other error is a defect.

    Args:
        kind: counted by.
        work: what is tried, without arguments.
        errors: that may be raised.
        says: what the line must contain, as the file that it is about.
    """
    TRIED[kind] += 1
    with nothing_executed():
        try:
            return work()
        except errors as error:
            line = one_line(error)
    note(line)
    REFUSED[kind] += 1
    check_line(line)
    assert says in line, line
    return Refused(line)


def check_line(line):
    """A line that says something, without a traceback or an object's address."""
    assert line.strip()
    assert "\n" not in line.strip()
    assert "Traceback" not in line, line
    assert "object at 0x" not in line, line


place = st.integers(0, 10**6)
STEPS = st.one_of(
    st.tuples(st.just("flip"), place, st.integers(0, 7)),
    st.tuples(st.just("cut"), place),
    st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=9)),
    st.tuples(st.just("drop"), place, st.integers(1, 64)),
    st.tuples(st.just("zero"), place, st.integers(1, 600)),
    st.tuples(st.just("repeat"), place, st.integers(1, 64)),
    st.tuples(st.just("whole"), st.sampled_from([b"", b"{", b"[1, 2]", b"null", b"\xff\xfe\x00", b"{}", b"\x1f\x8b"])),
)
damages = st.lists(STEPS, min_size=1, max_size=3)


def damaged(content, steps):
    """Bytes after ``steps`` of damage: bits flipped, cut off, put in, left out, zeroed, twice, or all replaced."""
    for name, *arguments in steps:
        if name == "whole":
            content = arguments[0]
            continue
        at = arguments[0] % (len(content) + 1)
        head, tail = content[:at], content[at:]
        if name == "flip" and tail:
            tail = bytes([tail[0] ^ 1 << arguments[1]]) + tail[1:]
        elif name == "cut":
            tail = b""
        elif name == "insert":
            tail = arguments[1] + tail
        elif name == "drop":
            tail = tail[arguments[1] :]
        elif name == "zero":
            tail = bytes(min(arguments[1], len(tail))) + tail[arguments[1] :]
        elif name == "repeat":
            tail = tail[: arguments[1]] + tail
        content = head + tail
    return content


# Values that somebody once typed, or that a program printed.
TYPED = r"""
0 1 -1 2 0.1 1e-3 1e300 -1e300 1e999 nan inf -inf true false null none None [] {} [1,2] [[1]] {a:1} [ { ] } ' '' "
auto all fixed .. .... a.b json.loads os.system torch.nn.Linear builtins.exec optimizers.SGD ${seed} ${oc.env:HOME}
${nothing} ${ *x &x !!python/object:os.system 0x10 1_000 00 +1 1. .5 1e 5% 10000000000000000000000 9223372036854775808
mlp sgd cosine ~ @ $ \ / . = == ü [gradient_clipping] [gradient_clipping,gradient_clipping]
""".split()  # noqa: SIM905 - shorter than a list
VALUES = st.one_of(
    st.sampled_from([*TYPED, "", "\x00", "\x1b[31m"]),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.text(max_size=12),
)
