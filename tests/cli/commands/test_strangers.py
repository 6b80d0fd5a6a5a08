"""Runs, models and images of strangers: their code is not run, and what is wrong is a sentence."""

import contextlib
import io
import json
import random
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import shrinkage as sh
from shrinkage.cli._images import read_image
from tests.cli.commands.running import FakeFit, refused, run, write

BAIT = Path("code-was-run")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of `shrinkage fit`, and its table."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setattr(sh, "fit", FakeFit(), raising=False)
        assert run("fit", write("new.csv"), "--target", "kind", "-o", "run").exit_code == 0
    return folder


@pytest.fixture
def trained(finished) -> Path:
    """A copy of the run."""
    shutil.copytree(finished, ".", dirs_exist_ok=True)
    return Path("run")


def change(file: Path, name: str, edit: Callable[[Any], Any]) -> None:
    """Change the JSON document of this name in an archive."""
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members[name] = json.dumps(edit(json.loads(members[name]))).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)


def _with_lambda(_: Any) -> Any:
    layer = keras.layers.Lambda(lambda x: __import__("pathlib").Path("code-was-run").touch() or x)
    model = keras.Sequential([keras.Input((1,)), layer])
    assert BAIT.exists(), "the code runs when the layer is called"
    BAIT.unlink()
    return keras.saving.serialize_keras_object(model)


def _call(module: str, name: str, *arguments: Any) -> Callable[[Any], Any]:
    """Put a function of any module in place of an activation, with arguments where it is to be called."""
    kind = {"module": module, "class_name": name, "config": {"args": arguments}, "registered_name": name}
    function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": f"{module}.{name}"}

    def edit(config: Any) -> Any:
        config["config"]["layers"] = [kind, function]
        return config

    return edit


def _with_vocabulary(config: Any) -> Any:
    """Have a layer read a file of this machine."""
    layer = keras.layers.StringLookup(vocabulary=["a"])
    made = keras.saving.serialize_keras_object(keras.Sequential([keras.Input((1,), dtype="string"), layer]))
    made["config"]["layers"][1]["config"]["vocabulary"] = "/etc/hostname"
    return made | {"compile_config": config.get("compile_config")}


MODELS = {
    "a lambda": _with_lambda,
    "a system call": _call("os", "system", "touch code-was-run"),
    "a process": _call("subprocess", "run", ["touch", "code-was-run"]),
    "a function of Keras that opens files": _call("keras.utils", "get_file", "x", "file:///etc/hostname"),
    "a file of this machine": _with_vocabulary,
    "lists within lists": lambda _: json.loads("[" * 900 + "]" * 900),
    "nothing": lambda _: None,
    "a number": lambda _: 3,
    "no layers": lambda config: config | {"config": {}},
    "layers of other types": lambda config: config | {"config": {"name": 1, "layers": "x", "trainable": []}},
}
READERS = {
    "predict": lambda run_: run("predict", run_, "new.csv", "-o", "out.csv"),
    "--model": lambda run_: run("fit", "new.csv", "--target", "kind", "--model", run_ / "model.keras", "-o", "out"),
    "doctor": lambda run_: run("doctor", run_ / "model.keras"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("case", MODELS)
def test_code_in_a_model_is_not_run(trained, case, reader):
    change(trained / "model.keras", "config.json", MODELS[case])
    result = READERS[reader](trained)
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    assert not BAIT.exists() and not Path("out").exists() and not Path("out.csv").exists()
    assert Path("/etc/hostname").read_text().strip() not in result.output.replace(str(Path.cwd()), "")


@pytest.mark.parametrize("case", MODELS)
def test_neither_is_it_by_load(trained, case):
    change(trained / "template.keras", "config.json", MODELS[case])
    with pytest.raises(
        ValueError,
        match="^`folder` must be (an intact folder of `Path.save`|a folder with a model that Keras can read). ",
    ):
        sh.Path.load(trained)
    assert not BAIT.exists()


@pytest.mark.parametrize("reader", READERS)
def test_a_member_outside_the_archive_is_refused(trained, reader):
    with zipfile.ZipFile(trained / "model.keras", "a") as archive:
        archive.writestr("../../above", "x")
    result = READERS[reader](trained)
    assert result.exit_code == 2 and "names a place outside itself, '../../above'" in result.stderr.replace("\n", " ")
    assert not [file for file in Path("..").resolve().rglob("above")]


# --- records

VALUES: tuple[Any, ...] = (None, True, -1, 10**30, float("nan"), "", "x", [], {}, [[]], {"a": 1}, "../x", ["a"] * 3)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values within a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [each for key, part in items for each in _places(part, (*place, key))]


def _changed(document: Any, chance: random.Random) -> str:
    """Replace or remove one value anywhere in a document, and return the document as JSON."""
    *above, last = chance.choice(_places(document))
    part = document
    for key in above:
        part = part[key]
    if chance.random() < 0.2:
        del part[last]
    else:
        part[last] = chance.choice(VALUES)
    return json.dumps(document)


@pytest.mark.parametrize("seed", range(15))
def test_a_changed_record_predicts_or_is_refused(trained, seed):
    file = trained / "columns.json"
    file.write_text(_changed(json.loads(file.read_text("utf-8")), random.Random(seed)), "utf-8")
    result = READERS["predict"](trained)
    assert result.exit_code in (0, 2) and Path("out.csv").exists() == (result.exit_code == 0), result.output


@pytest.mark.parametrize("seed", range(15))
def test_a_changed_path_is_loaded_or_refused(trained, seed):
    file = trained / "path.json"
    file.write_text(_changed(json.loads(file.read_text("utf-8")), random.Random(seed)), "utf-8")
    try:
        assert sh.Path.load(trained).lams.ndim == 1
    except ValueError as error:
        assert re.search(r"Received: 'run', (which is damaged|which has no|with) ", str(error))


def test_records_of_two_runs_are_refused(trained):
    file = trained / "columns.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"task": "binary", "labels": []}), "utf-8")
    refused_predict = READERS["predict"](trained)
    assert refused_predict.exit_code == 2 and "RUN must hold files of one run" in refused_predict.stderr


# --- images


def _png(width: int, height: int) -> bytes:
    """Return a small PNG that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def _saved(form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(stream, form)
    return stream.getvalue()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(code-was-run) (w) file closefile\nshowpage\n%%EOF\n"
IMAGES = {
    "a size of gigabytes": (_png(60_000, 60_000), "exceeds limit of"),
    "just too large": (_png(10_000, 9_000), "exceeds limit of"),
    "a program": (POSTSCRIPT, "not an image"),
    "another format": (_saved("TIFF"), "not an image"),
    "text": (b"hello", "not an image"),
    "nothing": (b"", "not an image"),
}


@pytest.fixture
def images() -> Path:
    for label, value in (("dark", 10), ("light", 240)):
        (Path("images") / label).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(np.full((8, 8), value + number, np.uint8)).save(Path("images") / label / f"{number}.png")
    return Path("images")


@pytest.mark.parametrize("case", IMAGES)
def test_an_image_that_is_none_is_left_out(images, case):
    content, words = IMAGES[case]
    (images / "dark" / "bad.png").write_bytes(content)
    result = run("fit", images, "--dry-run", "--folds", "2")
    assert result.exit_code == 0, result.output
    assert words in result.stdout and "1 file left out" in result.stdout
    assert not BAIT.exists()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_damaged_image_has_a_reason(tmp_path, form):
    """Readers of images fail in many ways: any one is a reason, and no error of the command."""
    from shrinkage.cli._errors import BadInput
    from shrinkage.cli._images import Images

    chance, whole = random.Random(0), _saved(form)
    n_refused = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        (tmp_path / "a.png").write_bytes(content[: chance.randint(1, len(content))])
        try:
            assert read_image(tmp_path / "a.png", Images(("a", "b"), 4, 4, 3)).shape == (4, 4, 3)
        except BadInput as reason:
            n_refused += bool(str(reason))
    assert n_refused > 10


def test_two_classes_are_left_where_all_others_are_bad(images):
    for file in (images / "dark").iterdir():
        file.write_bytes(POSTSCRIPT)
    refused(run("fit", images, "--dry-run"), "two classes or more. Received: light; ")
