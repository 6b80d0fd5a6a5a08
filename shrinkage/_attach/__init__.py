"""Penalties on a built model, in place: for any model and any training loop."""
