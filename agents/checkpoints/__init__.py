"""Checkpoints that nodes carried to the store, so that another node can go on from them."""
