"""From a recording to its result."""
