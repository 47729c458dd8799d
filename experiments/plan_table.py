"""The words of `experiments.plan`: numbers per device, and what they are worth."""

from typing import Any

from experiments.estimates import fits

WIDTH = 74
"""Characters of an operation's name."""


def shown(value: float | None, form: str, unit: str = "") -> str:
    """A number with its unit; "unknown" where there is none."""
    return "unknown" if value is None else format(value, form) + unit


def size(count: float | None) -> str:
    """Bytes in a unit that suits them."""
    if count is None:
        return "unknown"
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}"
        count /= 1024
    return f"{count:,.2f} GiB"


def listed(facts: dict[str, str]) -> list[str]:
    """A line a fact."""
    return [f"  {name + ':':18s}{fact}" for name, fact in facts.items()]


def head(record: dict[str, Any]) -> str:
    """What the numbers hold for, above them."""
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    where = record["topology"] or "the devices of this machine"
    return f"plan for {where}: {record['note']}\nversions: {versions}"


def described(found: dict[str, Any]) -> dict[str, str]:
    """What was compiled, and for what."""
    device = found["device"]
    mesh = ", ".join(f"{axis} {length}" for axis, length in device["mesh"].items())
    shapes = ", ".join(f"{key} {shape}" for key, shape in found["batch"].items())
    # Whose published sizes were taken, since the recordings are not here.
    taken = "; shapes of the official recordings, none was read"
    return {
        "devices": f"{device['count']} x {device['kind']} in {device['processes']} "
        f"process(es); mesh {mesh}",
        "taught by": ", ".join(found["teachers"]) or "nobody",
        "batch": f"{found['batch_size']} examples: {shapes}"
        + (taken if found["outline"] else ""),
    }


def memory(found: dict[str, Any]) -> str:
    """The peak, what there is, and what it is made of."""
    use, known = found["memory"], found["device_memory"]
    if not use:
        return "unknown"
    share = f" of {size(known)} ({use['peak'] / known:.0%})" if known else ""
    return (
        f"{size(use['peak'])}{share} at its peak; arguments {size(use['arguments'])}, "
        f"temporaries {size(use['temporaries'])}"
    )


def needed(found: dict[str, Any]) -> dict[str, str]:
    """What the program needs of one device."""
    products = ", ".join(found["products"]) or "nothing"
    arithmetic = found["arithmetic"] or "an unknown arithmetic"
    sent = (
        f"{each['count']:,} x {kind}, {size(each['bytes'])}"
        for kind, each in found["collectives"].items()
    )
    once = f", the bodies of {found['loops']} loops once" if found["loops"] else ""
    seconds = "from the cache, compiled in" if found["cached"] else "in"
    return {
        "compiled": f"{seconds} {found['compile_seconds']:.0f} s",
        "model FLOPs": f"{found['model_flops'] / 1e9:,.3f} GFLOP; products of "
        f"{products} in {arithmetic}, peak {shown(found['peak_tflops'], ',.1f')} TFLOP/s",
        "bytes accessed": size(found["bytes_accessed"]) + once,
        "memory": memory(found),
        "collectives": "; ".join(sent) or "none",
    }


def times(found: dict[str, Any]) -> dict[str, str]:
    """What a step would take, and the least that it could."""
    clock, floor, step = found["clock"], found["floor_ms"], found["step_ms"]
    least = "unknown"
    if floor:
        least = (
            f"{floor:,.3f} ms: FLOPs {found['flops_ms']:,.3f} ms, bytes "
            f"{found['bytes_ms']:,.3f} ms"
        )
    if step is None:
        why = "" if found["cycles"] else ", this compiler estimates no operations"
        return {"step, estimated": f"unknown{why}", "roofline floor": least}
    over = f"; the estimate is {step / floor:.2f} times that" if floor else ""
    return {
        "step, estimated": f"{step:,.3f} ms: operations "
        f"{found['operations_ms']:,.3f} ms at {clock / 1e9:.2f} GHz, collectives at "
        f"least {found['collectives_ms']:,.3f} ms if nothing hides them",
        "predicted": f"MFU {shown(found['mfu'], '.1%')}, "
        f"{found['examples_per_second']:,.1f} examples/s",
        "roofline floor": least + over,
    }


def costs(found: dict[str, Any]) -> list[str]:
    """The costliest operations by name, and what no estimate is known of."""
    if not found["cycles"]:
        return []
    lines = ["  operations that cost most:"]
    for each in found["costliest"]:
        name = each["operation"]
        name = name if len(name) <= WIDTH else "..." + name[3 - WIDTH :]
        share = each["cycles"] / found["cycles"]
        lines.append(f"    {share:6.1%} {each['runs']:5d} x  {name}")
    if found["unestimated"]:
        kinds = (f"{count} {kind}" for kind, count in found["unestimated"].items())
        lines.append(f"  without an estimate: {', '.join(kinds)}")
    if found["unknown_loops"]:
        lines.append(
            f"  {found['unknown_loops']} loops of unknown length are counted once"
        )
    return lines


def role(name: str, found: dict[str, Any]) -> str:
    """One role's part of what is printed."""
    lines = ["", name, *listed(described(found))]
    if not found["fits"]:
        lines.append(f"  does not fit into memory: it needs {found['needs']}")
        return "\n".join(lines)
    facts = listed({**needed(found), **times(found)})
    return "\n".join([*lines, "  on each device", *facts, *costs(found)])


def attempt(found: dict[str, Any]) -> str:
    """One line of a search for the largest batch."""
    if not found["fits"]:
        return f"  batch {found['batch_size']}: does not fit, needs {found['needs']}"
    peak = size(found["memory"].get("peak"))
    verdict = "fits" if fits(found) else "does not fit"
    return f"  batch {found['batch_size']}: {verdict}, {peak} at its peak"


def largest(best: dict[str, Any]) -> str:
    """What the search found."""
    if not best["batch_size"]:
        return "  largest batch:    none, not even one example a device fits"
    return (
        f"  largest batch:    {best['batch_size']} examples, estimated "
        f"{shown(best['step_ms'], ',.3f', ' ms')}, MFU {shown(best['mfu'], '.1%')}, "
        f"{shown(best['examples_per_second'], ',.1f')} examples/s"
    )
