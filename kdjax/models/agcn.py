"""The adaptive graph convolutional network over skeletons, with or without sensors."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.initializers import constant, lecun_normal, normal

from kdjax import skeletons
from kdjax.models import remat
from kdjax.models.layers import Head, Outputs, batch_norm, on_rows
from kdjax.typing import Array, Float

FUSIONS = ("none", "channels", *skeletons.PLACEMENTS)
"""How the accelerometer joins the skeleton."""


def fan_out(features: int, kernel: int = 1) -> nn.initializers.Initializer:
    """He's normal initialisation by the outputs, ``std = sqrt(2 / (features kernel))``."""
    return normal((2.0 / (features * kernel)) ** 0.5)


class GraphUnit(nn.Module):
    r"""Adaptive graph convolution over joints.

    .. math:: z = \sum_k W_k \, x \, (A_k + B_k + C_k), \qquad
       C_k[v, w] = \mathrm{softmax}_v \frac{\langle \theta_k(x_v), \phi_k(x_w) \rangle}
       {C_e T}

    followed by batch normalisation, a skip connection and ReLU. :math:`A` is the fixed
    graph, :math:`B` is learned, :math:`C` belongs to the example. The normalisation's
    gain starts at 1e-6, so that at first the skip connection alone passes.

    Attributes:
      features: output channels D; the embeddings have a quarter of them.
      dtype: of the computation; the graph and its softmax are float32.
    """

    features: int
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "N J T C"],
        graph: Float[np.ndarray, "K J J"],
        *,
        train: bool,
    ) -> Float[Array, "N J T D"]:
        """Mixes joints, step by step in time."""
        (subsets, *_), channels = graph.shape, x.shape[-1]
        offset = self.param("offset", constant(1e-6), graph.shape, jnp.float32)
        fixed = jnp.asarray(graph, jnp.float32) + offset
        # One matrix product a joint pair, over time and channels together.
        rows = x.reshape(*x.shape[:2], -1)
        branch = normal((2.0 / (self.features * channels * subsets)) ** 0.5)
        total = 0.0
        for k in range(subsets):
            theta = self._embedding(x, f"theta{k}")
            phi = self._embedding(x, f"phi{k}")
            products = jnp.matmul(
                theta, phi.swapaxes(1, 2), preferred_element_type=jnp.float32
            )
            scores = products / theta.shape[-1]
            edges = fixed[k][None] + jax.nn.softmax(scores, axis=-2)
            mixed = edges.swapaxes(1, 2).astype(rows.dtype) @ rows
            layer = self._dense(self.features, branch, f"transform{k}")
            total = total + on_rows(layer, mixed.reshape(x.shape))
        norm = batch_norm(train, "norm", scale_init=constant(1e-6), dtype=self.dtype)
        return nn.relu(norm(total) + self._skip(x, train))

    def _dense(self, width: int, init: Any, name: str) -> nn.Dense:
        return nn.Dense(width, kernel_init=init, dtype=self.dtype, name=name)

    def _embedding(self, x: Array, name: str) -> Float[Array, "N J E"]:
        """Each joint's course through an embedding, as one vector."""
        width = self.features // 4
        layer = self._dense(width, fan_out(width), name)
        return on_rows(layer, x).reshape(*x.shape[:2], -1)

    def _skip(self, x: Array, train: bool) -> Float[Array, "N J T D"]:
        """The input, projected where the channels change."""
        if x.shape[-1] == self.features:
            return x
        layer = self._dense(self.features, fan_out(self.features), "down")
        norm = batch_norm(train, "down_norm", dtype=self.dtype)
        return norm(on_rows(layer, x))


class Block(nn.Module):
    """A graph unit, a convolution over nine steps in time, and a skip connection.

    Attributes:
      features: output channels.
      stride: in time.
      residual: whether the input is added; the first block does without.
      dtype: of the computation.
    """

    features: int
    stride: int = 1
    residual: bool = True
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "N J T C"],
        graph: Float[np.ndarray, "K J J"],
        *,
        train: bool,
    ) -> Float[Array, "N J U D"]:
        """Mixes joints, then time."""
        y = GraphUnit(self.features, self.dtype, name="graph")(x, graph, train=train)
        # Joints are part of the batch: a one-dimensional convolution, which XLA runs at
        # the speed of its matrix product on every device.
        y = nn.Conv(
            self.features,
            (9,),
            strides=(self.stride,),
            padding=[(4, 4)],
            kernel_init=fan_out(self.features, 9),
            dtype=self.dtype,
            name="time",
        )(y)
        y = batch_norm(train, "time_norm", dtype=self.dtype)(y)
        return nn.relu(y + self._skip(x, train)) if self.residual else nn.relu(y)

    def _skip(self, x: Array, train: bool) -> Float[Array, "N J U D"]:
        """The input, projected where its shape changes."""
        if x.shape[-1] == self.features and self.stride == 1:
            return x
        init = fan_out(self.features)
        layer = nn.Dense(self.features, kernel_init=init, dtype=self.dtype, name="skip")
        norm = batch_norm(train, "skip_norm", dtype=self.dtype)
        return norm(on_rows(layer, x[:, :, :: self.stride]))


def fuse(
    skeleton: Float[Array, "B T M J C"],
    inertial: Float[Array, "B T_inertial S"] | None,
    topology: skeletons.Topology,
    *,
    fusion: str,
) -> tuple[Float[Array, "B T M U D"], skeletons.Topology]:
    """Joins sensor channels to the skeleton.

    Args:
      skeleton: coordinates of the joints.
      inertial: sensor channels of the same steps, where there is a fusion.
      topology: of the skeleton.
      fusion: ``none``; ``channels`` gives every joint the sensor's channels as well;
        ``append_center`` and ``append_right`` make a node of each C channels, see
        `skeletons.with_sensors`.

    Returns:
      The input of the network and its topology.

    Raises:
      ValueError: where the fusion is unknown, or the arrays do not fit it.
    """
    _check_fusion(skeleton, inertial, topology, fusion)
    if inertial is None:
        return skeleton, topology
    *lead, joints, channels = skeleton.shape
    sensors = inertial[:, :, None]
    if fusion == "channels":
        wide = jnp.broadcast_to(
            sensors[:, :, :, None], (*lead, joints, sensors.shape[-1])
        )
        return jnp.concatenate([skeleton, wide], axis=-1), topology
    count, rest = divmod(sensors.shape[-1], channels)
    if rest or not count:
        raise ValueError(
            f"{sensors.shape[-1]} sensor channels make no nodes of {channels}"
        )
    nodes = sensors.reshape(*sensors.shape[:3], count, channels)
    nodes = jnp.broadcast_to(nodes, (*lead, count, channels))
    graph = skeletons.with_sensors(topology, count=count, placement=fusion)
    return jnp.concatenate([skeleton, nodes], axis=3), graph


def _check_fusion(
    skeleton: Array, inertial: Array | None, topology: skeletons.Topology, fusion: str
) -> None:
    """Refuses streams that do not fit the fusion, the topology or each other."""
    if fusion not in FUSIONS:
        raise ValueError(f"no fusion {fusion!r}: one of {FUSIONS}")
    if (inertial is None) != (fusion == "none"):
        given = "is missing" if inertial is None else "is given"
        raise ValueError(f"fusion is {fusion!r} but the inertial stream {given}")
    if skeleton.shape[3] != len(topology.joints):
        raise ValueError(
            f"the skeleton has {skeleton.shape[3]} joints, "
            f"{topology.name} has {len(topology.joints)}"
        )
    if inertial is not None and inertial.shape[:2] != skeleton.shape[:2]:
        raise ValueError(
            f"skeleton {skeleton.shape} and inertial {inertial.shape} differ in batch "
            "or length"
        )


class Model(nn.Module):
    """2s-AGCN's network for any topology, number of persons and sensor fusion.

    Attributes:
      num_classes: K.
      topology: name of the skeleton, see `kdjax.skeletons`.
      width: channels of the first stage, a multiple of 4; each later one doubles them.
      blocks: blocks in each stage; from the second on a stage halves the time.
      hidden: width d0 of fc0; 0 or None for the published head, which has none.
      fusion: how the accelerometer joins, see `fuse`.
      dropout: rate on what the last layer reads; published without.
      dtype: of the feature maps; parameters, statistics, features and logits are float32.
      remat: what blocks keep for the backward pass, see `kdjax.models.remat`.

    References:
      Shi, Zhang, Cheng and Lu, *Two-Stream Adaptive Graph Convolutional Networks for
      Skeleton-Based Action Recognition*, CVPR 2019, arXiv:1805.07694.
      Duhme, Memmesheimer and Paulus, *Fusion-GCN: Multimodal Action Recognition using
      Graph Convolutional Networks*, GCPR 2021, arXiv:2109.12946.
    """

    num_classes: int
    topology: str = "kinect_v1"
    width: int = 64
    blocks: tuple[int, ...] = (4, 3, 3)
    hidden: int | None = 256
    fusion: str = "none"
    dropout: float = 0.0
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(
        self,
        skeleton: Float[Array, "B T M J C"],
        inertial: Float[Array, "B T_inertial S"] | None = None,
        *,
        train: bool,
    ) -> Outputs:
        """Classifies skeleton sequences.

        Args:
          skeleton: joint coordinates in metres; absent persons are zero.
          inertial: sensor channels of the same steps, for a fusion.
          train: batch statistics and dropout, or the stored statistics.

        Returns:
          ``logits``, ``features``, ``hidden`` and as ``stages`` the maps
          ``[B M T' J C]`` after the first block and after the last of each stage.

        Raises:
          ValueError: where the width is no multiple of 4 or `fuse` refuses.
        """
        if self.width % 4:
            raise ValueError(f"width is {self.width}, not a multiple of 4")
        body = skeletons.get(self.topology)
        x, topology = fuse(skeleton, inertial, body, fusion=self.fusion)
        batch, _, persons, *_ = x.shape
        graph = skeletons.adjacency(topology)
        maps = [
            stage.reshape(batch, persons, *stage.shape[1:])
            for stage in self._stages(self._normalised(x, train), graph, train)
        ]
        # The published initialisation for the published head; with fc0 the usual one.
        init = lecun_normal() if self.hidden else normal((2 / self.num_classes) ** 0.5)
        return Head(self.num_classes, self.hidden, self.dropout, init, name="head")(
            maps[-1].mean(axis=(1, 2, 3), dtype=jnp.float32),
            [stage.transpose(0, 1, 3, 2, 4) for stage in maps],
            train=train,
        )

    def _normalised(self, x: Array, train: bool) -> Float[Array, "N J T C"]:
        """Every coordinate of each joint of each person by its own statistics."""
        batch, steps, _, joints, channels = x.shape
        norm = batch_norm(train, "input_norm", use_fast_variance=False)
        x = norm(x.reshape(batch, steps, -1)).reshape(x.shape)
        return x.transpose(0, 2, 3, 1, 4).reshape(-1, joints, steps, channels)

    def _stages(self, x: Array, graph: np.ndarray, train: bool) -> list[Array]:
        """The maps after the first block and after the last of each stage."""
        number, maps = 0, []
        for stage, count in enumerate(self.blocks):
            for index in range(count):
                number += 1
                block = Block(
                    self.width * 2**stage,
                    stride=2 if stage and not index else 1,
                    residual=number > 1,
                    dtype=self.dtype,
                    name=f"block{number}",
                )
                x = remat.run(block, x, policy=self.remat, graph=graph, train=train)
                if number == 1 or index == count - 1:
                    maps.append(x)
        return maps
