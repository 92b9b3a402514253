"""Finding the sounding object in a camera frame."""
