"""Figures over several recordings."""
