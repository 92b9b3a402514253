"""What a preview shows, and that nothing in it lies over anything else."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scenes import box_cloud

from audio2shape_core.preview import BACK, FRONT, contact_sheet, draw_cloud, draw_run, save_preview
from audio2shape_core.results import Generation, Heard
from audio2shape_core.shape import Shape

WAVEFORM = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
IMAGE = np.full((60, 80, 3), (0, 90, 0), np.uint8)
RENDERING = np.full((60, 80, 3), (90, 0, 90), np.uint8)


def ball(count: int = 3000) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_a_ball_is_a_lit_disc_that_fills_the_picture():
    picture = draw_cloud(ball(), np.full((3000, 3), 180, np.uint8))
    assert picture.shape == (420, 420, 3)
    body = (picture < 255).any(2)
    rows, columns = np.nonzero(body)
    for ends in (rows, columns):
        assert ends.min() < 0.06 * 420
        assert ends.max() > 0.94 * 420
    assert body.mean() == pytest.approx(np.pi / 4 * 0.94**2, rel=0.06)
    y, x = np.mgrid[:420, :420] - 209.5
    assert body[np.hypot(x, y) < 170].mean() > 0.99  # closed
    inner = np.hypot(x, y) < 180
    upper_left, lower_right = (x < -60) & (y < -60) & inner, (x > 60) & (y > 60) & inner
    assert picture[upper_left].mean() > 1.3 * picture[lower_right].mean()


def test_what_is_nearer_hides_what_is_farther():
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 25), np.linspace(-1, 1, 25)), -1).reshape(-1, 2)
    front, back = (np.column_stack([np.full(625, x), grid]) for x in (0.2, -0.2))
    colors = np.repeat(np.uint8([(200, 0, 0), (0, 0, 200)]), 625, axis=0)
    for view, seen in (((0, 0), 0), ((180, 0), 2), (FRONT, 0), (BACK, 2)):
        middle = draw_cloud(np.concatenate([front, back]), colors, view, 160)[60:100, 60:100].reshape(-1, 3)
        assert (middle.argmax(1) == seen).mean() > 0.95, view


def test_up_is_up_and_left_of_the_shape_is_right_when_it_faces_the_viewer():
    points = np.array([(0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0)], np.float32)
    colors = np.uint8([(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 0, 0)])
    picture = draw_cloud(np.repeat(points, 20, axis=0), np.repeat(colors, 20, axis=0), (0, 0)).astype(int)
    red, green, blue = (picture[..., k] - picture[..., [(k + 1) % 3, (k + 2) % 3]].max(2) > 50 for k in range(3))
    assert np.nonzero(red)[0].mean() < 100
    assert np.nonzero(green)[0].mean() > 320
    assert np.nonzero(blue)[1].mean() > 320


@pytest.mark.parametrize("count", [2, 4])
def test_few_points_are_drawn_too(count):
    points = np.arange(3 * count).reshape(count, 3).astype(np.float32)
    assert (draw_cloud(points, np.zeros((count, 3), np.uint8), side=50) < 255).any()


@pytest.fixture
def run() -> Generation:
    shape = Shape(*box_cloud(count=500), np.ones(500, np.float32), "dog")
    scores = {"dog": 0.61, "cat": 0.2, "harp": 0.01}
    heard = Heard(np.zeros(512, np.float32), None, "dog", 0.61, scores, 0.9)
    return Generation(shape, shape, heard, True, None, "assumed", "", {}, 0, "cpu", "0")


def titles(figure) -> list[str]:
    return [axes.get_title().replace("\n", " ") for axes in figure.axes]


def pictures(figure) -> list[np.ndarray]:
    return [axes.images[0].get_array() for axes in figure.axes[2:]]


def test_a_sound_alone(run):
    figure = draw_run(WAVEFORM, run, None)
    assert titles(figure) == ["heard: dog", "confidence 0.61", "imagined: dog, 500 points", "the same from behind"]


def test_an_unknown_sound_is_called_unknown(run):
    heard = replace(run.heard, confidence=0.04)
    figure = draw_run(WAVEFORM, replace(run, heard=heard, known=False), None)
    assert titles(figure)[0] == "heard: unknown (most like dog, 4%)"
    assert titles(figure)[2] == "imagined: unknown, 500 points"


def test_an_image_that_was_used_stands_beside_what_came_of_it(run):
    refined = SimpleNamespace(accepted=True, rendering=RENDERING)
    shape = Shape(*box_cloud(count=800), np.ones(800, np.float32), "dog")
    figure = draw_run(WAVEFORM, replace(run, refined=refined, shape=shape, pose_source="fitted"), IMAGE)
    assert titles(figure)[2:5] == ["imagined: dog, 500 points", "refined with the image, 800 points", "camera"]
    assert np.array_equal(pictures(figure)[2], IMAGE)
    assert np.array_equal(pictures(figure)[3], RENDERING)


@pytest.mark.parametrize("refined", [SimpleNamespace(accepted=False, rendering=RENDERING), None])
def test_an_image_that_was_not_used_is_shown_with_the_reason_and_nothing_else(run, refined):
    notice = "unknown sound, most like dog (confidence 0.04); image not used: no object was found"
    figure = draw_run(WAVEFORM, replace(run, refined=refined, notice=notice), IMAGE)
    assert titles(figure)[2:] == [
        "imagined: dog, 500 points",
        "the same from behind",
        "camera, not used: no object was found",
    ]
    assert np.array_equal(pictures(figure)[-1], IMAGE)
    assert not any(np.array_equal(picture, RENDERING) for picture in pictures(figure))


def test_titles_lie_clear_of_pictures_and_of_each_other(run):
    reason = "image not used: " + "the object was not found in it, or the fit cannot be trusted, or both " * 2
    figure = draw_run(WAVEFORM, replace(run, notice=reason), np.full((640, 200, 4), 99, np.uint8))
    figure.canvas.draw()
    areas = [axes.title.get_window_extent() for axes in figure.axes]
    areas += [axes.get_window_extent() for axes in figure.axes]
    for index, area in enumerate(areas):
        assert not any(area.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98)) for other in areas[:index])
        assert figure.bbox.x0 <= area.x0 <= area.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= area.y0 <= area.y1 <= figure.bbox.y1


def test_files_are_pictures(run, tmp_path):
    import cv2

    save_preview(tmp_path / "a.png", WAVEFORM, run, None)
    contact_sheet({"dog": [run.shape, run.shape], "cat": [run.shape]}, tmp_path / "b.png")
    assert cv2.imread(str(tmp_path / "a.png")).shape == (473, 1287, 3)
    assert cv2.imread(str(tmp_path / "b.png")).std() > 20
