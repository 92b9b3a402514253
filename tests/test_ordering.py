import torch
from hypothesis import given
from hypothesis import strategies as st

from audio2shape_core.generation.ordering import BITS, morton_code, morton_sort


def interleave(cells: list[int]) -> int:
    """Bit by bit, the way the definition reads."""
    return sum(((cells[axis] >> bit) & 1) << (3 * bit + axis) for bit in range(BITS) for axis in range(3))


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_code_interleaves_the_bits_of_the_cells(point):
    cells = ((torch.tensor(point).clamp(-1, 1) + 1) * 0.5 * (2**BITS - 1)).round().long().tolist()
    assert morton_code(torch.tensor(point)).item() == interleave(cells)


def test_sorting_keeps_the_points_and_returns_their_order():
    points = torch.rand(2, 50, 3) * 2 - 1
    ordered, order = morton_sort(points)
    assert torch.equal(ordered, torch.stack([cloud[o] for cloud, o in zip(points, order)]))
    assert (morton_code(ordered).diff(dim=1) >= 0).all()


def test_windows_of_the_curve_are_compact():
    points = torch.rand(1, 1024, 3) * 2 - 1
    windows = morton_sort(points)[0].unflatten(1, (32, -1))
    assert windows.std(2).mean() < 0.5 * points.std(1).mean()
