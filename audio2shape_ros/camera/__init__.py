"""Images, camera_info and depth in."""
