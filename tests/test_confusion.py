"""Confusion counts against scikit-learn, and the picture as a picture."""

import matplotlib.image
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as oracle

from audio2shape_core.evaluation.confusion import confusion_matrix, draw_confusion

LABELS = ["dog", "cat", "harp"]
names = st.sampled_from(LABELS)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(names, names), min_size=1, max_size=30))
def test_counts_match_sklearn(pairs):
    truth, predicted = zip(*pairs)
    assert np.array_equal(confusion_matrix(truth, predicted, LABELS), oracle(truth, predicted, labels=LABELS))


def test_classes_not_asked_for_do_not_count():
    assert confusion_matrix(["dog", "cow", "cat"], ["dog", "dog", "cow"], LABELS).sum() == 1


def test_the_picture_is_dark_where_the_counts_are(tmp_path):
    path = tmp_path / "confusion.png"
    images = []
    for matrix in (np.zeros((3, 3), int), np.diag([5, 5, 5])):
        draw_confusion(path, matrix, LABELS, "a title")
        images.append(matplotlib.image.imread(path)[..., :3].mean())
    assert images[1] < images[0] - 0.05
    assert [p.name for p in tmp_path.iterdir()] == ["confusion.png"]
