"""What `tools.fuzz_inputs` and `tools.soak` share: a server, recordings and requests."""
