"""Run folders on the disk."""
