"""Cameras: where points land, and what is out of sight."""

import numpy as np
import pytest

from data_pipelines.person import body, cameras, performance, sensors

SIZE = (640, 480)


def kinect():
    return cameras.look_at(
        sensors.KINECT, sensors.KINECT + (0, 0, 1), focal=500.0, size=SIZE
    )


def test_points_land_where_similar_triangles_put_them():
    # A camera that looks along +z, y up, has -x to its right.
    camera = cameras.look_at((0, 0, 0), (0, 0, 5), focal=500.0, size=SIZE)
    points = np.array([(0, 0, 2), (-1, 0, 2), (0, 1, 4)], float)
    pixels, depth = cameras.project(camera, points)
    centre = np.array([319.5, 239.5])
    expected = centre + [(0, 0), (250, 0), (0, -125)]
    np.testing.assert_allclose(pixels, expected, atol=1e-9)
    np.testing.assert_allclose(depth, [2, 2, 4])


def test_the_target_is_in_the_middle_and_the_camera_is_level():
    camera = cameras.look_at((2, 3, -1), (0, 1, 2.8), focal=300.0, size=SIZE)
    pixels, _ = cameras.project(camera, np.array([(0, 1, 2.8), (0, 1.5, 2.8)]))
    np.testing.assert_allclose(pixels[0], (319.5, 239.5))
    assert pixels[1, 0] == pytest.approx(319.5) and pixels[1, 1] < 239.5
    np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.axes) == pytest.approx(1.0)


def test_two_views_of_a_performance_agree_on_where_its_joints_are():
    shown = performance.perform(0, 1, "walk", 1)
    joints = performance.joints(shown, np.linspace(0, shown.duration, 5))
    places = [(2.0, 1.5, 0.0), (-2.0, 1.0, 0.5)]
    views = [cameras.look_at(p, (0, 1, 2.8), focal=400.0, size=SIZE) for p in places]
    rows, values = [], []
    for view in views:
        pixels, depth = cameras.project(view, joints)
        assert (depth > 0).all()
        # A pixel is a plane of points X: f axis.(X - p) = (u - c) forward.(X - p).
        offset = pixels - (np.array(SIZE) - 1) / 2
        for i in range(2):
            normal = view.focal * view.axes[i] - offset[..., i, None] * view.axes[2]
            rows.append(normal)
            values.append(normal @ view.position)
    rows, values = np.stack(rows, -2), np.stack(values, -1)
    found = np.linalg.solve(
        np.swapaxes(rows, -1, -2) @ rows,
        np.einsum("...ri,...r->...i", rows, values)[..., None],
    )[..., 0]
    np.testing.assert_allclose(found, joints, atol=1e-6)


def test_a_person_who_faces_the_kinect_is_seen_whole_and_not_mirrored():
    shown = performance.perform(0, 1, "wave_both", 1)
    joints = performance.joints(shown, np.linspace(0, shown.duration, 9))
    assert cameras.visible(kinect(), joints).all()
    pixels, _ = cameras.project(kinect(), joints)
    left, right = body.INDEX["left_shoulder"], body.INDEX["right_shoulder"]
    assert (pixels[:, left, 0] > pixels[:, right, 0]).all()
    assert (
        pixels[:, body.INDEX["head"], 1] < pixels[:, body.INDEX["left_foot"], 1]
    ).all()


def test_what_is_behind_or_beside_the_picture_is_not_visible():
    camera = cameras.look_at((0, 0, 0), (0, 0, 1), focal=100.0, size=(101, 51))
    # The right border is at 50.5 pixels from the centre: x = -0.505 at 1 m.
    points = np.array(
        [(0, 0, -1), (0, 0, 0), (-0.504, 0, 1), (-0.506, 0, 1), (0, 0.3, 1)]
    )
    pixels, depth = cameras.project(camera, points)
    assert np.isnan(pixels[:2]).all() and np.isfinite(pixels[2:]).all()
    np.testing.assert_allclose(depth, [-1, 0, 1, 1, 1])
    assert cameras.visible(camera, points).tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("target", [(1, 5, 2), (1, -1, 2), (1, 2, 2)])
def test_a_camera_that_cannot_be_held_level_is_refused(target):
    with pytest.raises(ValueError, match="straight above or below"):
        cameras.look_at((1, 2, 2), target, focal=1.0, size=SIZE)
