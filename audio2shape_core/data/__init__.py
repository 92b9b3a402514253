"""Recordings, shapes and photographs: read, made, and paired."""
