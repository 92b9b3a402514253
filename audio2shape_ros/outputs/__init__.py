"""Shapes out: messages, markers, transforms, splats."""
