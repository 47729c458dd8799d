import numpy as np
import pytest

from kdjax import skeletons

JOINTS = {"coco": 17, "openpose": 18, "kinect_v1": 20, "kinect_v2": 25}


@pytest.mark.parametrize("name", JOINTS)
def test_every_joint_leads_to_the_centre_by_one_path(name):
    topology = skeletons.get(name)
    assert len(topology.joints) == len(set(topology.joints)) == JOINTS[name]
    parents = dict(topology.edges)
    assert len(topology.edges) == len(parents) == JOINTS[name] - 1
    for joint in range(JOINTS[name]):
        steps = 0
        while joint != topology.center:
            joint, steps = parents[joint], steps + 1
            assert steps < JOINTS[name]


@pytest.mark.parametrize("name", JOINTS)
def test_a_mirror_maps_bones_to_bones(name):
    topology = skeletons.get(name)
    mirror = {i: i for i in range(JOINTS[name])}
    for left, right in topology.flip:
        assert topology.joints[left].replace("left", "right") == topology.joints[right]
        mirror |= {left: right, right: left}
    sides = [j for j in topology.joints if j.startswith(("left_", "right_"))]
    assert 2 * len(topology.flip) == len(sides)
    assert {(mirror[a], mirror[b]) for a, b in topology.edges} == set(topology.edges)


# Left and right limbs of pyskl's own list and of its default order: hyper.left and
# right of the reference file heatmap_limb__edges, and left_limb and right_limb in
# pyskl/datasets/pipelines/heatmap_related.py.
SIDES = {
    "listed": ([0, 2, 3, 6, 7, 8, 12, 14], [1, 4, 5, 9, 10, 11, 13, 15]),
    "default": ([0, 2, 4, 5, 6, 10, 11, 12], [1, 3, 7, 8, 9, 13, 14, 15]),
}


@pytest.mark.parametrize("order", SIDES)
def test_limb_pairs_are_those_of_pyskl(order):
    coco = skeletons.get("coco")
    limbs = coco.limbs if order == "listed" else skeletons.COCO_DEFAULT_LIMBS
    assert skeletons.limb_pairs(limbs, coco.flip) == tuple(zip(*SIDES[order]))


def test_both_orders_of_cocos_limbs_hold_the_same():
    assert set(skeletons.COCO_DEFAULT_LIMBS) == set(skeletons.get("coco").limbs)


@pytest.mark.parametrize("name", JOINTS)
def test_a_mirror_maps_limbs_to_limbs(name):
    topology = skeletons.get(name)
    limbs, flip = topology.limbs, topology.flip
    joint = skeletons.mirror_order(flip, len(topology.joints))
    limb = skeletons.mirror_order(skeletons.limb_pairs(limbs, flip), len(limbs))
    for place, (start, end) in enumerate(limbs):
        assert {joint[start], joint[end]} == set(limbs[limb[place]])


def test_impossible_mirrors_are_refused():
    with pytest.raises(ValueError, match="limb .0, 1. has no mirror image .0, 2."):
        skeletons.limb_pairs([(0, 1)], [(1, 2)])
    with pytest.raises(ValueError, match="pair .1, 3. leaves the 3 channels"):
        skeletons.mirror_order([(1, 3)], 3)
    with pytest.raises(ValueError, match="share a channel"):
        skeletons.mirror_order([(0, 1), (1, 2)], 3)


def test_coco_limbs_are_the_channels_of_pyskl():
    # hyper.skeletons of the reference file heatmap_limb__edges.
    limbs = skeletons.get("coco").limbs
    assert len(limbs) == 17
    assert limbs[0] == (0, 5)
    assert limbs[-1] == (11, 12)


def test_limbs_run_from_parent_to_child_elsewhere():
    topology = skeletons.get("kinect_v2")
    assert topology.limbs == tuple((b, a) for a, b in topology.edges)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no topology 'kinect'.*kinect_v1"):
        skeletons.get("kinect")


def slow_adjacency(edges, joints):
    """From the definition: identity, towards the parent, towards the child."""
    graph = np.zeros((3, joints, joints))
    for j in range(joints):
        graph[0, j, j] = 1
        parents = [b for a, b in edges if a == j]
        children = [a for a, b in edges if b == j]
        for parent in parents:
            graph[1, parent, j] = 1 / len(parents)
        for child in children:
            graph[2, child, j] = 1 / len(children)
    return graph


@pytest.mark.parametrize("name", JOINTS)
@pytest.mark.parametrize("placement", [None, *skeletons.PLACEMENTS])
def test_adjacency_follows_its_definition(name, placement):
    topology = skeletons.get(name)
    if placement:
        topology = skeletons.with_sensors(topology, count=2, placement=placement)
    graph = skeletons.adjacency(topology)
    joints = len(topology.joints)
    np.testing.assert_array_equal(graph, slow_adjacency(topology.edges, joints))
    assert graph.dtype == np.float64


def test_adjacency_of_bare_bones():
    graph = skeletons.adjacency([(2, 0), (2, 1)], 4)
    np.testing.assert_array_equal(graph[1][:, 2], [0.5, 0.5, 0, 0])
    assert not graph[1:, :, 3].any()
    with pytest.raises(ValueError, match="num_joints is missing"):
        skeletons.adjacency([(1, 0)])
    with pytest.raises(ValueError, match="leaves the 2 joints"):
        skeletons.adjacency([(2, 0)], 2)


def test_sensors_hang_where_fusion_gcn_has_them():
    body = skeletons.get("kinect_v1")
    center = skeletons.with_sensors(body, count=2, placement="append_center")
    assert center.edges[19:] == ((20, 1), (21, 1))
    right = skeletons.with_sensors(body, count=1, placement="append_right")
    assert right.edges[19:] == ((20, 10), (20, 16))
    assert right.joints[20:] == ("sensor_0",)
    assert len(body.joints) == 20


@pytest.mark.parametrize("name", JOINTS)
def test_right_is_the_wrist_and_the_hip(name):
    topology = skeletons.get(name)
    names = [topology.joints[i] for i in topology.right]
    assert names == ["right_wrist", "right_hip"]


def test_impossible_sensors_are_refused():
    body = skeletons.get("coco")
    with pytest.raises(ValueError, match="count is 0"):
        skeletons.with_sensors(body, count=0, placement="append_center")
    with pytest.raises(ValueError, match="no sensor placement 'left'"):
        skeletons.with_sensors(body, count=1, placement="left")
