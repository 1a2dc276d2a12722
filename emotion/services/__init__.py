"""What the page and the command line share: the model, the queue of jobs and runs."""
