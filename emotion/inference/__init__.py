"""Samples to frame features and frame logits, batched across callers."""
