"""Cross-modal alignment (paper III-A): audio, image and point cloud in one embedding space."""
