"""What the page, the REST API and batch work share: the model, the queue and the pipeline."""
