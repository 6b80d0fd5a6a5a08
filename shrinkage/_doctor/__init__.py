"""What is wrong with a model's regularization: one small function for each finding."""
