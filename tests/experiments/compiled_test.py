"""What is read from the text of compiled programs: pieces written by hand, and a real one."""

import jax
import jax.numpy as jnp
import pytest

from experiments import compiled

# A loop of five rounds, a fusion with its estimate, an all-reduce, and an all-gather that
# runs beside other operations and so is written into two fusions. As the compiler for
# TPUs writes them, without what is not read.
TEXT = """
HloModule jit_train_step, is_scheduled=true

%fused.1 (p: f32[256,1024]) -> f32[256,1024] {
  %p = f32[256,1024]{1,0:T(8,128)} parameter(0)
  ROOT %tanh.1 = f32[256,1024]{1,0:T(8,128)} tanh(%p), backend_config={"window_config":{"estimated_cycles":"999999"}}
}

%body (w: (s32[], f32[256,1024])) -> (s32[], f32[256,1024]) {
  %w = (s32[]{:T(128)}, f32[256,1024]{1,0:T(8,128)S(1)}) parameter(0)
  %x = f32[256,1024]{1,0:T(8,128)S(1)} get-tuple-element(%w), index=1
  %fusion.7 = f32[256,1024]{1,0:T(8,128)S(1)} fusion(%x), kind=kOutput, calls=%fused.1, metadata={op_name="jit(train_step)/jvp(Model)/dense/dot_general" stack_frame_id=9}, backend_config={"flag_configs":[],"window_config":{"estimated_cycles":"4000"}}
  ROOT %t = (s32[]{:T(128)}, f32[256,1024]{1,0:T(8,128)S(1)}) tuple(%i, %fusion.7)
}

%condition (v: (s32[], f32[256,1024])) -> pred[] {
  %limit = s32[]{:T(128)} constant(5)
  %i.1 = s32[]{:T(128)} get-tuple-element(%v), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i.1, %limit), direction=LT
}

%starts (q: bf16[4,3]) -> (bf16[4,3], bf16[32,3]) {
  %gather.1 = bf16[32,3]{1,0} all-gather(%q), channel_id=10, dimensions={0}
  ROOT %c = (bf16[4,3]{1,0}, bf16[32,3]{1,0}) custom-call(%gather.1)
}

%awaits (q: bf16[4,3], r: bf16[32,3]) -> bf16[32,3] {
  ROOT %gather.2 = bf16[32,3]{1,0} all-gather(%q), channel_id=10, dimensions={0}
}

ENTRY %main.9 (a: f32[256,1024], b: bf16[4,3]) -> f32[256,1024] {
  %a = f32[256,1024]{1,0:T(8,128)} parameter(0)
  %loop = (s32[]{:T(128)}, f32[256,1024]{1,0}) while(%tuple.1), condition=%condition, body=%body, metadata={op_name="jit(train_step)/while"}
  %async-collective-start = (bf16[4,3]{1,0}, bf16[32,3]{1,0}) fusion(%b), kind=kCustom, calls=%starts
  %async-collective-done = bf16[32,3]{1,0} fusion(%b), kind=kCustom, calls=%awaits
  %all-reduce.1 = f32[256,1024]{1,0:T(8,128)S(1)} all-reduce(%a), channel_id=2, to_apply=%add
  %sort.1 = f32[256,1024]{1,0:T(8,128)} sort(%a), dimensions={1}
  %room = f32[256,1024]{1,0} custom-call(), custom_call_target="AllocateBuffer"
  ROOT %sub = f32[256,1024]{1,0:T(8,128)} subtract(%a, %all-reduce.1), metadata={op_name="jit(train_step)/sub"}, backend_config={"window_config":{"estimated_cycles":"500"}}
}
"""


def changed(old, new):
    assert old in TEXT
    return compiled.summary(TEXT.replace(old, new))


def test_cycles_are_those_of_what_runs():
    found = compiled.summary(TEXT)
    # Five rounds of the fusion, whose inner operations are part of it, and the rest.
    assert found["cycles"] == 5 * 4000 + 500
    assert found["loops"] == 1 and found["unknown_loops"] == 0
    assert found["costliest"] == [
        {"operation": "jvp(Model)/dense/dot_general", "runs": 5, "cycles": 20_000},
        {"operation": "sub", "runs": 1, "cycles": 500},
    ]
    assert compiled.summary(TEXT, count=1)["costliest"] == found["costliest"][:1]


def test_what_has_no_estimate_is_named():
    # Neither views of memory, nor collectives, nor numbers of a few bytes.
    assert compiled.summary(TEXT)["unestimated"] == {"sort": 1}


def test_collectives_are_counted_once():
    sent = compiled.summary(TEXT)["collectives"]
    assert sent == {
        "all-gather": {"count": 1, "bytes": 32 * 3 * 2},
        "all-reduce": {"count": 1, "bytes": 256 * 1024 * 4},
    }


def test_a_started_collective_has_the_size_of_its_result():
    pair = "(f32[8,4]{1,0}, f32[64,4]{1,0})"
    text = (
        "ENTRY %main (a: f32[8,4]) -> f32[64,4] {\n"
        f"  %s = {pair} all-gather-start(%a), channel_id=1\n"
        "  ROOT %d = f32[64,4]{1,0} all-gather-done(%s)\n"
        "}\n"
    )
    sent = compiled.summary(text)["collectives"]
    assert sent == {"all-gather": {"count": 1, "bytes": 64 * 4 * 4}}


@pytest.mark.parametrize(
    "old, new, cycles, unknown",
    [
        # The compiler says it, or nothing does.
        ("body=%body,", 'body=%body, x={"known_trip_count":{"n":"7"}},', 28_500, 0),
        ("direction=LT", "direction=NE", 4_500, 1),
        ("constant(5)", "add(%a, %b)", 4_500, 1),
        # A branch: the costlier way.
        (
            "while(%tuple.1), condition=%condition, body=%body,",
            "conditional(%p, %a, %a), branch_computations={%condition, %body},",
            4_500,
            0,
        ),
        ("while(%tuple.1), condition=%condition, body=%body", "call(%a)", 500, 0),
        (
            "while(%tuple.1), condition=%condition, body=%body",
            "call(%a), to_apply=%body",
            4_500,
            0,
        ),
    ],
)
def test_loops_and_branches(old, new, cycles, unknown):
    found = changed(old, new)
    assert (found["cycles"], found["unknown_loops"]) == (cycles, unknown)


def test_arrays_have_sizes():
    assert compiled.sizes("(f32[2,3]{1,0:T(8,128)}, bf16[4], pred[5], s32[])") == [
        *(24, 8, 5, 4)
    ]
    assert compiled.sizes("(u8[16]{0:T(256)}, f8e4m3fn[3], token[])") == [16, 3, 0]


def test_a_program_of_the_cpu_has_no_estimates_but_all_else():
    def loss(w, x):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=5)[0]

    shape = jax.ShapeDtypeStruct((8, 8), jnp.float32)
    text = jax.jit(loss).lower(shape, shape).compile().as_text()
    found = compiled.summary(text)
    assert found["cycles"] is None
    assert found["costliest"] == [] and found["unestimated"] == {}
    assert (found["loops"], found["unknown_loops"]) == (1, 0)
    loops = [op for op, _ in compiled.run(compiled.parse(text)) if op.opcode == "while"]
    assert compiled.trips(compiled.parse(text), loops[0]) == 5


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match="not that of a compiled program"):
        compiled.summary("nothing\n")
