"""What the text of a compiled program says of its cost, operation by operation.

XLA's compiler for TPUs writes ``estimated_cycles`` beside every operation that it has
scheduled. The body of a loop is written once and counts as often as the loop runs; of a
branch the costliest way counts. Operations inside a fusion are part of its estimate.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
    "collective-broadcast",
)
FREE = (
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"),
    *("while", "conditional", "call", "async-start", "async-update", "async-done"),
    *("copy-start", "copy-done", "slice-start", "slice-done", "partition-id"),
    *(f"{kind}{phase}" for kind in COLLECTIVES for phase in ("", "-start", "-done")),
)
"""What costs nothing, is counted where it runs, or is counted by its bytes; copies that
are started and awaited run beside the other operations."""

BITS = {"pred": 8, "bf16": 16}
"""Of element types that do not end in their number of bits."""

_HEAD = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_LINE = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = (.+?) ([a-z][a-z0-9\-]*)\((.*)$")
_CALLED = re.compile(
    r"(?:calls|condition|body|to_apply|branch_computations)=(\{[^}]*\}|%[\w.\-]+)"
)


class Operation(NamedTuple):
    """One line of a compiled program.

    Attributes:
      name: as the compiler has it.
      opcode: such as "fusion".
      label: where in the traced program it comes from; "" where that is lost.
      shape: of its result, in XLA's words.
      cycles: as estimated; None where nothing is said.
      called: the computations that it runs.
      rest: of the line.
    """

    name: str
    opcode: str
    label: str
    shape: str
    cycles: int | None
    called: tuple[str, ...]
    rest: str


class Program(NamedTuple):
    """The computations of a compiled program by name, and which one it begins with."""

    computations: dict[str, list[Operation]]
    entry: str


def _operation(match: re.Match) -> Operation:
    _, name, shape, opcode, rest = match.groups()
    label = re.search(r'op_name="([^"]*)"', rest)
    cycles = re.search(r'"estimated_cycles":"(\d+)"', rest)
    called = [
        each.strip(" %")
        for names in _CALLED.findall(rest)
        for each in names.strip("{}").split(",")
    ]
    return Operation(
        name,
        opcode,
        label[1].replace("jit(train_step)/", "") if label else "",
        shape,
        int(cycles[1]) if cycles else None,
        tuple(called),
        rest,
    )


def parse(text: str) -> Program:
    """Reads what `jax.stages.Compiled.as_text` returns.

    Raises:
      ValueError: where there is no entry computation.
    """
    computations, entry, current = {}, "", []
    for line in text.splitlines():
        if match := _HEAD.match(line):
            current = computations.setdefault(match[2], [])
            entry = match[2] if match[1] else entry
        elif match := _LINE.match(line):
            current.append(_operation(match))
    if not entry:
        raise ValueError("the text is not that of a compiled program")
    return Program(computations, entry)


def trips(program: Program, loop: Operation) -> int | None:
    """How often a loop runs: said by the compiler, or the limit of its counter.

    Returns:
      The number; None where neither tells.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.rest):
        return int(known[1])
    condition = re.search(r"condition=%?([\w.\-]+)", loop.rest)
    inside = program.computations.get(condition[1], []) if condition else []
    limits = [each.rest for each in inside if each.opcode == "constant"]
    counts = any("direction=LT" in each.rest for each in inside)
    if counts and len(limits) == 1 and (limit := re.match(r"(\d+)\)", limits[0])):
        return int(limit[1])
    return None


def _cost(program: Program, name: str) -> int:
    return sum((op.cycles or 0) * times for op, times in run(program, name))


def run(
    program: Program, name: str | None = None, times: int = 1
) -> Iterator[tuple[Operation, int]]:
    """Every operation that runs, and how often.

    Args:
      program: from `parse`.
      name: of the computation to begin with; the entry by default.
      times: how often that runs.

    Yields:
      Operations, fusions as one; a loop of unknown length counts once.
    """
    for op in program.computations.get(name or program.entry, []):
        yield op, times
        if op.opcode == "while":
            again = times * (trips(program, op) or 1)
            yield from (each for c in op.called for each in run(program, c, again))
        elif op.opcode == "conditional":
            longest = max(op.called, key=lambda branch: _cost(program, branch))
            yield from run(program, longest, times)
        elif op.opcode in ("call", "async-start"):
            yield from (each for c in op.called for each in run(program, c, times))


def kind_of(op: Operation) -> str:
    """Which collective an operation is or starts; "" for any other."""
    kind = op.opcode.removesuffix("-start")
    return kind if kind in COLLECTIVES else ""


def sizes(shape: str) -> list[int]:
    """Bytes of every array in a shape, such as ``(f32[2,3]{1,0}, bf16[4])``."""
    found = []
    for kind, dims in re.findall(r"([a-z]+\d*\w*)\[([\d,]*)\]", shape):
        digits = re.search(r"\d+", kind)
        bits = BITS.get(kind) or (int(digits[0]) if digits else 0)
        found.append(math.prod(map(int, filter(None, dims.split(",")))) * bits // 8)
    return found


def _sent(program: Program) -> Iterator[tuple[Operation, int]]:
    """Every collective that runs, and how often.

    One that other operations hide is written into the fusions that start it, run beside
    it and await it, each time with its channel.
    """
    seen = set()
    for op, times in run(program):
        if kind_of(op):
            yield op, times
        for name in op.called if op.opcode == "fusion" else ():
            for inside in filter(kind_of, program.computations.get(name, [])):
                channel = re.search(r"channel_id=\d+", inside.rest)
                if not channel or channel[0] not in seen:
                    yield inside, times
                seen |= {channel[0]} if channel else set()


def collectives(program: Program) -> dict[str, dict[str, int]]:
    """What chips send each other, by kind.

    Returns:
      kind -> ``count`` and ``bytes``, of the results on one chip in one step.
    """
    found: dict[str, Counter] = {}
    for op, times in _sent(program):
        kind, moved = kind_of(op), sizes(op.shape)
        # What is started has its operands beside its results, and further tokens.
        paired = op.opcode.endswith("-start") and kind != "all-reduce"
        size = max(moved) if paired else sum(moved)
        total = found.setdefault(kind, Counter())
        total.update(count=times, bytes=size * times)
    return {kind: dict(found[kind]) for kind in sorted(found)}


def costliest(program: Program, count: int) -> list[dict]:
    """The operations that take most cycles, those of one origin together.

    Returns:
      Dicts with ``operation``, ``runs`` and ``cycles``, the costliest first.
    """
    cycles, runs = Counter(), Counter()
    for op, times in run(program):
        name = op.label or op.name
        cycles[name] += (op.cycles or 0) * times
        runs[name] += times if op.cycles else 0
    return [
        {"operation": name, "runs": runs[name], "cycles": total}
        for name, total in cycles.most_common(count)
        if total
    ]


def _unestimated(op: Operation) -> bool:
    """Whether an operation surely costs something and nothing is said of it."""
    free = op.opcode in FREE or '"AllocateBuffer"' in op.rest
    free = free or op.name.startswith("async-collective")
    return op.cycles is None and not free and sum(sizes(op.shape)) >= 1024


def summary(text: str, count: int = 10) -> dict:
    """All that is read from a program's text.

    Args:
      text: of a compiled program.
      count: how many of the costliest operations are named.

    Returns:
      ``cycles``, the sum, or None where no operation has an estimate; ``costliest``;
      ``collectives``; ``unestimated``, operations of a kilobyte and more that have
      none, by opcode; ``loops``, and ``unknown_loops``, how many of them count once
      though they may run more often.
    """
    program = parse(text)
    every = list(run(program))
    known = [op.cycles * times for op, times in every if op.cycles is not None]
    rest = Counter(op.opcode for op, _ in every if _unestimated(op))
    loops = [op for op, _ in every if op.opcode == "while"]
    return {
        "cycles": sum(known) if known else None,
        "costliest": costliest(program, count),
        "collectives": collectives(program),
        "unestimated": dict(rest) if known else {},
        "loops": len(loops),
        "unknown_loops": sum(trips(program, loop) is None for loop in loops),
    }
