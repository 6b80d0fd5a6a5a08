"""Checks of a model's regularization: one function for each finding."""
