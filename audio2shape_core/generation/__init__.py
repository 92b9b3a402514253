"""Latent diffusion on a point-cloud VQ-VAE (paper III-B)."""
