"""Checkpoints: where they come from, the network, and loading it safely."""
