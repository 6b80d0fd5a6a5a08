"""The options of `shrinkage fit` for a folder of images."""

from dataclasses import replace
from typing import Any

from ._console import is_given
from ._errors import BadInput
from ._images import ImageData
from ._settings import Settings


def check_image_options(options: dict[str, Any]) -> None:
    """Refuse options that go with tables."""
    names = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if names:
        raise BadInput(
            f"{', '.join(names)} must be given with a table. Received: a folder of images, on which a small "
            "convolutional network is trained, with the name of an image's folder as its class. Leave "
            f"{'the option' if len(names) == 1 else 'the options'} out."
        )


def read_image_split(image_data: ImageData, settings: Settings) -> Settings:
    """Return the settings with a single fold if a folder is held out, and refuse options of folds beside it."""
    if image_data.held_out is None:
        return settings
    for option in ("folds", "repeats"):
        if is_given(option):
            raise BadInput(
                f"--{option} must be left out with {image_data.held_out}, which is held out once, in place of folds. "
                f"Received: --{option} {getattr(settings, option)}. Leave --{option} out, or move the images of "
                f"{image_data.held_out} to the other images."
            )
    return replace(settings, folds=1)
