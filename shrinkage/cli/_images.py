"""Folders of images: `shrinkage fit images/`, with the class of an image in the name of its folder."""

import contextlib
import json
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from shrinkage._data._memory_limit import read_memory_limit
from shrinkage._data._untrusted import read_json
from shrinkage._host._private import UnsupportedVersion

from ._columns import check_fields
from ._console import format_item_count
from ._errors import BadInput, get_error_text
from ._penalty import make_penalty_arguments
from ._settings import Settings, make_training_arguments

if TYPE_CHECKING:
    import keras

    from shrinkage._path._path import Path as FittedPath

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""The formats of `keras.utils.image_dataset_from_directory`."""

# A file is read by its content, whatever its name is. Pillow has readers that run other programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")

RECORD = "images.json"
MOST_PIXELS = 32  # height and width of the resized images: a path trains a hundred networks and more
_TRAIN, _VALIDATION, _TEST = ("train", "training"), ("val", "valid", "validation"), ("test", "testing")
_MOST_NAMED = 5
_BATCH_SIZE = 1024


@dataclass(frozen=True)
class Images:
    """The images that a network takes, and its classes; saved as images.json."""

    labels: tuple[str, ...]
    """The classes, in the order of the network's outputs."""
    height: int
    width: int
    channels: int
    """3 for colours, 1 for grey images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an image, (height, width, channels)."""
        return self.height, self.width, self.channels

    @staticmethod
    def load(file: Path) -> "Images":
        """Read a file that `fit` wrote; raise `BadInput` for other files."""
        try:
            document = read_json(file)
            images = Images(tuple(document["labels"]), document["height"], document["width"], document["channels"])
            check_fields(images)
            return images
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"RUN must hold an intact {RECORD} of this version. Received: {file} ({get_error_text(error)}). "
                "Fit again with --overwrite."
            ) from error


@dataclass(frozen=True)
class ImageData:
    """The images of a folder, read and checked."""

    folder: Path
    images: Images
    files: tuple[Path, ...]
    """The readable files with a class, those of the training first."""
    classes: np.ndarray
    """The class of each file, (n,)."""
    n_train: int
    """The number of files for the training; the others, of a folder such as `val`, are held out."""
    sizes: Counter[tuple[int, int]]
    """The number of images of each (height, width)."""
    notes: tuple[str, ...]
    held_out: Path | None = None
    """The folder that is held out in place of folds."""

    def describe(self) -> str:
        """Return the description, as text."""
        images, counts = self.images, np.bincount(self.classes[: self.n_train], minlength=len(self.images.labels))
        counts_text = ", ".join(
            f"{label} {count:,}" for label, count in zip(images.labels, counts.tolist(), strict=True)
        )
        (size, n_most), *others = self.sizes.most_common()
        found = f"{format_item_count(self.n_train, 'image')} in {len(images.labels)} classes"
        more = f" in {n_most:,}; {format_item_count(len(others), 'other size')}" if others else ""
        colours = "grey" if images.channels == 1 else "red, green and blue"
        return "\n".join(
            [
                f"{self.folder}: {found}: {counts_text}",
                f"sizes (height x width): {size[0]} x {size[1]}{more}; resized to {images.height} x {images.width}, "
                f"{colours}",
                *self.notes,
            ]
        )

    def to_document(self) -> dict[str, Any]:
        """Return the description, as data for JSON."""
        counts = np.bincount(self.classes[: self.n_train], minlength=len(self.images.labels)).tolist()
        held_out = len(self.files) - self.n_train
        classes = dict(zip(self.images.labels, counts, strict=True))
        return {"folder": str(self.folder), "classes": classes, "held_out": held_out, "notes": self.notes,
                **asdict(self.images)}  # fmt: skip


def holds_images(data: Sequence[Path]) -> bool:
    """Whether DATA is a folder in which most files are images, in folders."""
    if len(data) != 1 or not data[0].is_dir():
        return False
    are_images = [file.suffix.lower() in SUFFIXES for folder in _list_folders(data[0]) for file in _list_files(folder)]
    return 2 * sum(are_images) > len(are_images)


def refuse_images(files: Iterable[Path]) -> None:
    """Refuse images where tables are needed."""
    image = next((file for file in files if file.suffix.lower() in SUFFIXES), None)
    if image is not None:
        raise BadInput(
            "DATA must be a table, or for `shrinkage fit` a folder with a folder of images for each class, such as "
            f"images/cat/1.jpg. Received: {image}, an image. Give one of them, or predict images with a run on images."
        )


def prepare_images(folder: Path) -> ImageData:
    """Find the images and their classes, and read all images once.

    Raises:
        BadInput: If the folder has fewer than two classes of readable images.
    """
    parts = {name.lower(): place for place in _list_folders(folder) if (name := place.name)}
    train = next((parts[name] for name in _TRAIN if name in parts), None)
    if train is None:
        return _read_images(folder, folder, None, ())
    held_out = next((parts[name] for name in _VALIDATION if name in parts), None)
    others = [place for place in parts.values() if place not in (train, held_out)]
    notes = [f"held out: {held_out}, in place of folds"] if held_out else []
    notes += [f"not used: {place}; `shrinkage predict` takes it" for place in others]
    return _read_images(folder, train, held_out, tuple(notes))


def _read_images(folder: Path, train_folder: Path, held_out_folder: Path | None, notes: tuple[str, ...]) -> ImageData:
    found = [(file, place.name) for place in _list_folders(train_folder) for file in _list_files(place)]
    n_found = len(found)
    if held_out_folder:
        found += [(file, place.name) for place in _list_folders(held_out_folder) for file in _list_files(place)]
    sizes, grey, bad, n_train = Counter[tuple[int, int]](), [], {}, 0
    for number, (file, _) in enumerate(found):
        try:
            image = _open(file)
        except BadInput as error:
            bad[file] = str(error)
            continue
        sizes[image.height, image.width] += 1
        grey.append(image.mode == "L")
        n_train += number < n_found
    readable = [(file, label) for file, label in found if file not in bad]
    labels = sorted({label for _, label in readable[:n_train]})
    omissions = _describe_omissions(train_folder, labels, bad)
    if len(labels) < 2:
        raise BadInput(
            f"{train_folder} must hold a folder of images for each class, such as {train_folder}/cat/1.jpg, and two "
            f"classes or more. Received: {', '.join(labels) or 'none'}{''.join(f'; {text}' for text in omissions)}. "
            "Add images of another class."
        )
    if held_out_folder and n_train == len(readable):
        raise BadInput(
            f"{held_out_folder} must hold images that are held out, in a folder for each class. Received: none that "
            "can be read. Add images, or remove the folder to hold out folds of the other images."
        )
    unknown = sorted({label for _, label in readable if label not in labels})
    if unknown:
        raise BadInput(
            f"{held_out_folder} must have no other classes than {train_folder}. Received: {', '.join(unknown)}. Add "
            f"images of them to {train_folder}, or leave these folders out."
        )
    height, width = _choose_size(sizes)
    images = Images(tuple(labels), height, width, 1 if all(grey) else 3)
    files, classes = zip(*((file, labels.index(label)) for file, label in readable), strict=True)
    notes = (*notes, *(f"caution: {text}" for text in omissions))
    return ImageData(folder, images, files, np.array(classes), n_train, sizes, notes, held_out_folder)


def _list_folders(folder: Path) -> list[Path]:
    return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith((".", "_")))


def _list_files(folder: Path) -> list[Path]:
    """Return the files in a folder and the folders in it, as Keras does, without hidden ones."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))


def _describe_omissions(train_folder: Path, labels: Sequence[str], bad_files: dict[Path, str]) -> list[str]:
    """Return phrases about files that are not used, and folders without a readable image."""
    found = []
    if bad_files:
        named = "; ".join(f"{file}: {reason}" for file, reason in [*bad_files.items()][:_MOST_NAMED])
        more = f"; and {len(bad_files) - _MOST_NAMED} more" * (len(bad_files) > _MOST_NAMED)
        found.append(f"{format_item_count(len(bad_files), 'file')} left out ({named}{more})")
    empty = [place.name for place in _list_folders(train_folder) if place.name not in labels]
    if empty:
        found.append(f"folders without a readable image are no classes: {', '.join(empty)}")
    loose = [file for file in train_folder.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES]
    if loose:
        found.append(f"not used: {format_item_count(len(loose), 'image')} in {train_folder} itself, without a class")
    return found


def _choose_size(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """Return the median height and width, reduced to `MOST_PIXELS` at most.

    >>> _choose_size(Counter({(28, 28): 9})), _choose_size(Counter({(300, 600): 3}))
    ((28, 28), (16, 32))
    """
    height, width = (float(np.median(side)) for side in np.array([*sizes.elements()]).T)
    factor = min(1.0, MOST_PIXELS / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _open(file: Path) -> Image.Image:
    """Return an image in grey or in colours, of 8 bits.

    Raises:
        BadInput: With the reason, if the file is not a readable image.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise BadInput(f"no image of {', '.join(SUFFIXES)}")
    try:
        with _refuse_bombs(), Image.open(file, formats=_FORMATS) as image:
            image.load()
            if image.mode.startswith("I"):  # 16 bits
                return Image.fromarray((np.asarray(image) / 256).astype(np.uint8))
            return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    except Image.UnidentifiedImageError as error:
        raise BadInput("not an image") from error
    except UnsupportedVersion:
        raise
    except Exception as error:  # any class: the readers of Pillow trust the file's numbers
        raise BadInput(get_error_text(error)) from error


@contextlib.contextmanager
def _refuse_bombs() -> Iterator[None]:
    """Refuse an image from the number of pixels on for which Pillow warns: 0.3 GB, from a file of a few bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_image(file: Path, images: Images) -> np.ndarray:
    """Return an image of the size that the network takes, (height, width, channels) uint8."""
    image = _open(file).convert("L" if images.channels == 1 else "RGB")
    resized = image.resize((images.width, images.height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8).reshape(images.shape)


def make_image_network(images: Images, settings: Settings) -> "keras.Model":
    """Return a small compiled convolutional network, from images with pixels from 0 to 255."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(images.shape, dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(padding="same"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(padding="same"),
            layers.Flatten(),
            layers.Dense(len(images.labels), activation="softmax"),
        ],
        name="convolutional",
    )
    optimizer = keras.optimizers.Adam(settings.learning_rate or 1e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def make_image_fit_arguments(
    image_data: ImageData, settings: Settings, max_memory: int | None = None
) -> dict[str, Any]:
    """Return the arguments of `shrinkage.fit`. Images that take more than half of the memory limit are a dataset."""
    n_train, n_rows, images = image_data.n_train, len(image_data.files), image_data.images
    arguments = {
        "model": make_image_network(images, settings),
        **make_penalty_arguments(settings),
        **make_training_arguments(settings, n_train),
        **({"cv": settings.folds} if image_data.held_out is None else {}),
        "repeats": settings.repeats,
        "budget": settings.budget,
        "learning_curve": settings.learning_curve,
        "seed": settings.seed,
        "max_memory": max_memory,
    }
    if 2 * n_rows * math.prod(images.shape) > read_memory_limit(max_memory):
        batch_size = settings.batch_size or 32
        if n_train < n_rows:
            arguments["validation_data"] = _make_dataset(image_data, slice(n_train, n_rows), batch_size)
        return {**arguments, "x": _make_dataset(image_data, slice(n_train), batch_size)}
    pixels = np.stack([read_image(file, images) for file in image_data.files])
    if n_train < n_rows:
        arguments["validation_data"] = (pixels[n_train:], image_data.classes[n_train:])
    return {**arguments, "x": pixels[:n_train], "y": image_data.classes[:n_train]}


def _make_dataset(image_data: ImageData, part: slice, batch_size: int) -> Any:
    """Return some of the images as a dataset, whose rows `shrinkage.fit` writes to disk."""
    import tensorflow as tf

    files, classes = image_data.files[part], image_data.classes[part].tolist()

    def pairs() -> Iterator[tuple[np.ndarray, int]]:
        for file, number in zip(files, classes, strict=True):
            yield read_image(file, image_data.images), number

    types = tf.TensorSpec(image_data.images.shape, "uint8"), tf.TensorSpec((), "int64")
    dataset = tf.data.Dataset.from_generator(pairs, output_signature=types)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(files))).batch(batch_size)


def write_image_run(image_data: ImageData, path: "FittedPath", settings: Settings, folder: Path) -> None:
    """Write the results: the chosen model, the path, its picture and its page, and images.json."""
    from ._folder import create_run
    from ._results import write_path
    from ._terms import make_shell_terms

    with create_run(folder) as fresh:
        if not path.failed.all():
            path.model(settings.rule).save(fresh / "model.keras")
        document = {"version": 1, **asdict(image_data.images)}
        (fresh / RECORD).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
        write_path(path, fresh, make_shell_terms(image_data.images.labels))


def predict_files(
    model: "keras.Model", images: Images, files: Sequence[Path]
) -> tuple[dict[str, Any], dict[Path, str]]:
    """Predict the class of each file; nothing for unreadable ones.

    Returns:
        (columns of the result as name -> (n,) array, unreadable files with the reason).
    """
    shares = np.full((len(files), len(images.labels)), np.nan)
    bad: dict[Path, str] = {}
    for start in range(0, len(files), _BATCH_SIZE):
        found = {}
        for place, file in enumerate(files[start : start + _BATCH_SIZE], start):
            try:
                found[place] = read_image(file, images)
            except BadInput as error:
                bad[file] = str(error)
        if found:
            shares[[*found]] = model.predict(np.stack([*found.values()]), verbose=0)  # pyright: ignore
    is_read = ~np.isnan(shares[:, 0])
    labels = np.full(len(files), None, object)
    labels[is_read] = np.array(images.labels, object)[shares[is_read].argmax(axis=1)]
    probabilities = {f"probability_{label}": shares[:, k] for k, label in enumerate(images.labels)}
    return {"file": [str(file) for file in files], "prediction": labels, **probabilities}, bad


def find_image_files(data: Sequence[Path]) -> list[Path]:
    """Return the images to predict: files as given, and those in folders with a name such as 1.jpg."""
    from ._tables import find_sources

    folders = [place for place in data if place.is_dir()]
    files = [source.file for source in find_sources(data)]
    inside = {file for folder in folders for file in files if file.is_relative_to(folder)}
    files = [file for file in files if file not in inside or file.suffix.lower() in SUFFIXES]
    if not files:
        raise BadInput(
            f"DATA must hold images ({', '.join(SUFFIXES)}), as RUN predicts images. Received: {data[0]}, which holds "
            "none. Give files or folders of images."
        )
    return files


def check_image_model(model: "keras.Model", images: Images) -> None:
    """Refuse a model that does not belong to the record, for example files of two runs in a folder."""
    if model.input_shape != (None, *images.shape) or model.output_shape != (None, len(images.labels)):
        found = f"a model.keras that does not fit {RECORD}"
        raise BadInput(f"RUN must hold files of one run. Received: {found}. Fit again with --overwrite.")
