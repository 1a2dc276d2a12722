"""How good a model is on labelled recordings: manifests, figures, reports, models side by side."""
