"""File formats of shapes and splats, each written and read in one place."""
