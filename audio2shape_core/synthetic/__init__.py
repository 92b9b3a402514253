"""The made world: procedural shapes, synthesised sounds, renders, whole data sets."""
