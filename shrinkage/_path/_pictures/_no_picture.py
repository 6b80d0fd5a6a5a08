"""The reason why a picture cannot be drawn."""


class NoPicture(ValueError):
    """A path has no data for a picture; the message says why, in words."""
