"""Several penalties or models, each at its choice, compared on the same folds."""
