"""Many recordings: where they come from, what is kept of each, tables of their results."""
