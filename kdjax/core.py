"""The abstractions every experiment is made of, and the step that drives them.

A *network* is a Linen module bound to the batch keys it reads. A *method* is three pure
functions over such networks. A *train state* is what one role of an experiment owns.
Nothing here knows a loss, a data set or a device; `jax.jit` is called by the runner.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from kdjax import accumulation
from kdjax.typing import (
    Array,
    Batch,
    Frozen,
    Int,
    Metrics,
    Params,
    PRNGKeyArray,
    State,
)


class Network(NamedTuple):
    """A Linen module and the batch keys passed to it, in order.

    Attributes:
      module: called as ``module(*streams, train=bool)``; returns a dict of arrays.
      inputs: keys of the batch, for example ``("skeleton", "inertial")``.
      prepare: ``batch -> batch``, what inference does to stored arrays before the
        module reads them, such as cropping the centre; in training the augmentation
        stands in its place.
      clips: whether it leaves an axis of clips ``[B clips ...]``, whose probabilities
        inference averages.
      groups: parts of consecutive examples that the network sees by themselves in
        training, as batch normalisation does above all. One is the global batch; as many
        as devices are their shards, without a word between them. What the parts make of
        the state is averaged.
    """

    module: Any
    inputs: tuple[str, ...]
    prepare: Callable[[Batch], Batch] = lambda batch: batch
    clips: bool = False
    groups: int = 1

    def streams(self, batch: Batch) -> tuple[Array, ...]:
        """The arrays the module reads.

        Raises:
          KeyError: where the batch lacks a key, naming it.
        """
        missing = [name for name in self.inputs if name not in batch]
        if missing:
            raise KeyError(f"the batch has {sorted(batch)} but no {missing}")
        return tuple(batch[name] for name in self.inputs)

    def init(self, key: PRNGKeyArray, batch: Batch) -> tuple[Params, State]:
        """Fresh parameters and state."""
        streams = self.streams(self.prepare(batch))
        if self.clips:
            streams = [stream[:, 0] for stream in streams]
        variables = dict(self.module.init(key, *streams, train=False))
        return variables.pop("params"), variables

    def train(
        self, params: Params, state: State, batch: Batch, key: PRNGKeyArray
    ) -> tuple[dict, State]:
        """Outputs in training mode, and the updated state.

        Raises:
          ValueError: where the batch does not divide by the groups.
        """

        def apply(streams, key):
            return self.module.apply(
                {"params": params, **state},
                *streams,
                train=True,
                mutable=list(state),
                rngs={"dropout": key},
            )

        streams = self.streams(batch)
        if self.groups == 1:
            return apply(streams, key)
        return _by_groups(apply, streams, key, self.groups)

    def infer(self, params: Params, state: State, batch: Batch) -> dict:
        """Outputs in inference mode: stored statistics, no dropout.

        Of several clips these are ``logits``, the logarithm of the mean probability,
        and the mean ``features``.
        """
        variables = {"params": params, **state}
        streams = self.streams(self.prepare(batch))

        def apply(streams):
            return self.module.apply(variables, *streams, train=False)

        if not self.clips:
            return apply(streams)
        # One clip after the other: ten at once would need ten times the memory.
        by_clip = jax.tree.map(lambda stream: jnp.moveaxis(stream, 1, 0), streams)

        def of_clip(streams):
            outputs = apply(streams)
            return jax.nn.log_softmax(outputs["logits"]), outputs["features"]

        scores, features = jax.lax.map(of_clip, by_clip)
        logits = jax.nn.logsumexp(scores, axis=0) - jnp.log(float(len(scores)))
        return {"logits": logits, "features": jnp.mean(features, axis=0)}


def _by_groups(
    apply: Callable[..., tuple[dict, State]],
    streams: tuple[Array, ...],
    key: PRNGKeyArray,
    groups: int,
) -> tuple[dict, State]:
    """Outputs of a batch whose groups do not see each other; each draws by itself."""
    rows = len(streams[0])
    if rows % groups:
        raise ValueError(f"a batch of {rows} rows does not divide into {groups} groups")

    def one(streams, number):
        outputs, state = apply(streams, jax.random.fold_in(key, number))
        return outputs, jax.lax.pmean(state, "group")

    cut = jax.tree.map(lambda x: x.reshape(groups, -1, *x.shape[1:]), streams)
    outputs, state = jax.vmap(one, out_axes=(0, None), axis_name="group")(
        cut, jnp.arange(groups)
    )
    return jax.tree.map(lambda x: x.reshape(rows, *x.shape[2:]), outputs), state


class Method(NamedTuple):
    """One way to train one role; three pure functions.

    Attributes:
      init: ``(key, batch, frozen) -> (params, state)``.
      loss: ``(params, state, frozen, batch, key) -> (loss, (state, metrics))``; the
        metrics name every unweighted term, so that the total can be added up.
      predict: ``(params, state, batch) -> outputs``, a dict with ``logits``.
      coupled: names of the terms that compare the examples of a batch with each other:
        of a batch in parts they are not what they are of the whole.
    """

    init: Callable[[PRNGKeyArray, Batch, Frozen], tuple[Params, State]]
    loss: Callable[..., tuple[Array, tuple[State, Metrics]]]
    predict: Callable[[Params, State, Batch], dict]
    coupled: tuple[str, ...] = ()


class TrainState(NamedTuple):
    """What one role owns and a checkpoint keeps.

    Attributes:
      step: number of updates so far; folded into the random key.
      params: differentiated variables.
      state: variables updated by the forward pass.
      opt_state: the optimizer's state.
    """

    step: Int[Array, ""]
    params: Params
    state: State
    opt_state: Any


def init_state(
    method: Method,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    batch: Batch,
    frozen: Frozen,
) -> TrainState:
    """The train state before the first step.

    Args:
      method: what is trained.
      optimizer: its optimizer, built once.
      key: random key.
      batch: any legal batch; the smallest compiles fastest.
      frozen: variables the loss reads and does not differentiate.

    Returns:
      A train state at step 0.
    """
    params, state = method.init(key, batch, frozen)
    return TrainState(jnp.zeros((), jnp.int32), params, state, optimizer.init(params))


def train_step(
    method: Method,
    optimizer: optax.GradientTransformation,
    train_state: TrainState,
    frozen: Frozen,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    accumulate: int = 1,
) -> tuple[TrainState, Metrics]:
    """One update.

    Args:
      method: what is trained.
      optimizer: its optimizer.
      train_state: may be donated.
      frozen: never changed and never differentiated.
      batch: arrays with the batch axis first.
      key: the role's key; the step is folded in, so that resuming is exact.
      accumulate: parts that the batch is worked through in, see `kdjax.accumulation`.

    Returns:
      The next train state, and the metrics with ``grad_norm`` added.
    """
    step_key = jax.random.fold_in(key, train_state.step)
    gradient = accumulation.value_and_grad(method.loss, parts=accumulate)
    (_, (state, metrics)), grads = gradient(
        train_state.params, train_state.state, frozen, batch, step_key
    )
    updates, opt_state = optimizer.update(
        grads, train_state.opt_state, train_state.params
    )
    params = optax.apply_updates(train_state.params, updates)
    metrics = {**metrics, "grad_norm": optax.tree.norm(grads)}
    return TrainState(train_state.step + 1, params, state, opt_state), metrics


def eval_step(method: Method, train_state: TrainState, batch: Batch) -> dict:
    """The method's outputs in inference mode."""
    return method.predict(train_state.params, train_state.state, batch)
