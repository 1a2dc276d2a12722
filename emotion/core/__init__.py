"""What every other package may use: errors, options, labels, results, texts."""
