"""One loop, a few recipes."""
