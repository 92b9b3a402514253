"""Paper III-C: a coarse cloud and one image become a dense cloud, through 3D Gaussian splatting."""
