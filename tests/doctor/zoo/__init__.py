"""Models for the doctor: one or more with each finding, and well-made ones."""
