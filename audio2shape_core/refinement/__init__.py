"""Paper III-C: a coarse cloud and one image become a dense cloud, through 3D Gaussian splatting."""

from audio2shape_core.refinement.refiner import Refined, refine

__all__ = ["Refined", "refine"]
