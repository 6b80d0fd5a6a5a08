"""`fit` and `predict` on folders of images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import shrinkage as sh
from shrinkage._data import _dataset
from shrinkage.cli._errors import BadInput
from shrinkage.cli._images import ImageData, Images, holds_images, make_image_fit_arguments, prepare_images, read_image
from shrinkage.cli._settings import Settings
from tests.cli.commands.running import run

RNG = np.random.default_rng(0)
N = 8


def draw(file: str | Path, bright: bool = False, shape: tuple[int, ...] = (9, 6)) -> Path:
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((RNG.integers(0, 60, shape) + 180 * bright).astype(np.uint8)).save(file)
    return file


def draw_folder(folder: str, n: int = N) -> None:
    for i in range(n):
        draw(f"{folder}/day/{i}.png", bright=True)
        draw(f"{folder}/night/{i}.png")


def settings(**changes) -> Settings:
    options = dict(model="mlp", hidden=None, penalty="l2", rho=None, groups=None, how=None, epochs=2, batch_size=4,
                   learning_rate=None, folds=2, seed=0, choose="min")  # fmt: skip
    return Settings.from_options(**options, **changes)


def test_a_folder_of_images_from_end_to_end():
    draw_folder("images")
    options = ["--epochs", 3, "--folds", 2, "--batch-size", 4, "--learning-rate", 0.01, "--format", "json"]
    done = run("fit", "images", *options)
    assert done.exit_code == 0, done.output
    document, path = json.loads(done.stdout), sh.Path.load("images-shrinkage")
    assert document["data"]["classes"] == {"day": N, "night": N} and len(path.lams) == len(document["path"])
    assert set(document["files"]) >= {"model.keras", "images.json", "path.png"} and path.folds.held_out[1].size == N
    draw_folder("new", 3)
    (Path("new") / "night" / "bad.png").write_text("text")
    done = run("predict", "images-shrinkage", "new", "-o", "out.csv")
    assert done.exit_code == 0 and "bad.png has no prediction: not an image" in done.stderr, done.output
    table = pd.read_csv("out.csv")
    assert table["file"].tolist() == sorted(table["file"]) and len(table) == 7
    assert table["prediction"].isna().tolist() == table["file"].str.contains("bad").tolist()
    done = run("predict", "images-shrinkage", "new/night/bad.png", "-o", "none.csv")
    assert done.exit_code == 2 and "predicts images. Received: new/night/bad.png, which is not readable" in done.stderr
    assert not Path("none.csv").exists()
    known = table.dropna()
    assert known["prediction"].tolist() == [Path(file).parent.name for file in known["file"]]
    images = Images.load(Path("images-shrinkage/images.json"))
    pixels = np.stack([read_image(Path(file), images) for file in known["file"]])
    expected = path.model().predict(pixels, verbose=0)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(known[["probability_day", "probability_night"]], expected, rtol=1e-4)


def test_the_folders_train_and_test_and_val():
    for part in ("train", "test", "val"):
        draw_folder(f"images/{part}", 4)
    prepared = prepare_images(Path("images"))
    assert prepared.n_train == 8 and {file.parts[1] for file in prepared.files[:8]} == {"train"}
    assert {file.parts[1] for file in prepared.files[8:]} == {"val"}
    words = prepared.describe()
    assert "8 images in 2 classes: day 4, night 4" in words and "held out: images/val, in place of folds" in words
    assert "not used: images/test; `shrinkage predict` takes it" in words
    arguments = make_image_fit_arguments(prepared, settings())
    x, y = arguments["validation_data"]
    assert len(arguments["x"]) == len(x) == 8 and y.tolist() == arguments["y"].tolist() == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(x[0], read_image(Path("images/val/day/0.png"), prepared.images))


def test_what_is_left_out_is_named():
    draw_folder("images")
    (Path("images") / "bird").mkdir()
    whole = draw("images/day/big.jpg", shape=(40, 90, 3)).read_bytes()
    for name, content in (("cut.jpg", whole[: len(whole) // 2]), ("text.jpg", b"text"), ("notes.txt", b"text")):
        (Path("images") / "day" / name).write_bytes(content)
    draw("images/loose.png")
    (Path("images") / "day" / ".hidden.png").write_bytes(b"")
    prepared = prepare_images(Path("images"))
    words = prepared.describe()
    for said in (
        "17 images in 2 classes: day 9, night 8",
        "sizes (height x width): 9 x 6 in 16; 1 other size; resized to 9 x 6, red, green",
        "caution: 3 files left out", "cut.jpg: image file is truncated", "text.jpg: not an image",
        "notes.txt: no image of .bmp,", "folders without a readable image are no classes: bird",
        "not used: 1 image in images itself",
    ):  # fmt: skip
        assert said in words
    assert {file.name for file in prepared.files} == {"big.jpg", *(f"{i}.png" for i in range(N))}


@pytest.mark.parametrize("folders", [["one"], ["one", "train/one"], ["train/one"]])
def test_fewer_than_two_classes(folders):
    for folder in folders:
        draw(f"images/{folder}/1.png")
    with pytest.raises(BadInput, match="a folder of images for each class, .*two classes or more. Received: one"):
        prepare_images(Path("images"))


def test_classes_that_only_the_held_out_folder_has():
    draw_folder("images/train")
    draw_folder("images/val")
    draw("images/val/dusk/1.png")
    with pytest.raises(BadInput, match=r"images/val must have no other classes than images/train\. Received: dusk\."):
        prepare_images(Path("images"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", 5], "--folds must be left out with images/val, which is held out once, in place of folds."),
        (["--repeats", 2], "Received: --repeats 2. Leave --repeats out, or move the images of images/val to"),
        (["--budget", 2], "DATA/val must have at least 75 rows with --budget, whose choice rests on their losses."),
    ],
)
def test_options_that_do_not_go_with_a_held_out_folder(options, message):
    for part in ("train", "val"):
        draw_folder(f"images/{part}", 4)
    done = run("fit", "images", "--dry-run", *options)
    assert done.exit_code == 2 and message in done.stderr, done.output


def test_a_held_out_folder_is_one_fold_in_words_too():
    draw_folder("images/train", 4)
    Path("images/train").rename("images/val")
    draw_folder("images/train", 4)
    for file in Path("images/val").rglob("*.png"):
        Path("images/train", *file.parts[2:]).write_bytes(file.read_bytes())
    done = run("fit", "images", "--dry-run", "--epochs", 1)
    assert done.exit_code == 0 and "L2 penalty, 1 fold, seed 0" in done.stdout, done.output
    assert "DATA/val repeats rows of DATA/train: its losses" in done.stdout and "cv=" not in done.stdout


def test_a_held_out_folder_without_images():
    draw_folder("images/train", 4)
    Path("images/val").mkdir()
    with pytest.raises(BadInput, match="images/val must hold images that are held out.* Received: none that can be"):
        prepare_images(Path("images"))


def test_more_folds_than_images():
    draw_folder("images", 4)
    done = run("fit", "images", "--folds", 9, "--dry-run")
    assert done.exit_code == 2 and "Received: --folds 9 for 8 rows. Give a smaller --folds." in done.stderr
    done = run("fit", "images", "--budget", 2, "--folds", 5, "--dry-run")
    assert done.exit_code == 2 and "--budget and --folds must not be given together" in done.stderr


def test_a_folder_of_tables_is_no_folder_of_images():
    for i in range(3):
        file = Path(f"tables/year=202{i}/t.csv")
        file.parent.mkdir(parents=True)
        file.write_text("a,b\n1,2\n")
    draw("tables/charts/1.png")
    assert not holds_images([Path("tables")]) and not holds_images([Path("tables/year=2020/t.csv")])
    draw_folder("images")
    assert holds_images([Path("images")]) and not holds_images([Path("images"), Path("tables")])


def test_options_of_tables_are_refused():
    draw_folder("images")
    done = run("fit", "images", "--target", "y", "--no-clip", "--time", "t", "--model", "linear")
    assert done.exit_code == 2 and "--no-clip, --target, --time, --model must be given with a table" in done.stderr
    done = run("fit", "images", "--model", "mlp")
    assert done.exit_code == 2 and "--model must be given with a table" in done.stderr
    Path("t.csv").write_text("a,b")
    done = run("fit", "t.csv")
    assert done.exit_code == 2 and "--target must be given for a table" in done.stderr


@pytest.mark.parametrize("options", [(), ("--target", "class")])
def test_images_without_folders_of_classes_are_no_table(options):
    draw("loose/1.png")
    done = run("fit", "loose", *options)
    assert done.exit_code == 2 and "a folder with a folder of images for each class" in done.stderr
    Path("empty").mkdir()
    done = run("fit", "empty", *options)
    assert done.exit_code == 2 and "Received: empty, a folder without one" in done.stderr


@pytest.mark.parametrize(
    ("pixels", "mode", "expected"),
    [
        (np.full((5, 4), 700, np.uint16), 1, 2),  # 16 bits
        (np.full((5, 4), 9, np.uint8), 3, 9),
        (np.full((5, 4, 3), 9, np.uint8), 1, 9),
        (np.full((5, 4, 4), 9, np.uint8), 3, 9),
    ],
)
def test_images_of_other_modes_and_sizes(pixels, mode, expected):
    Image.fromarray(pixels).save("1.png")
    found = read_image(Path("1.png"), Images(("a", "b"), 3, 2, mode))
    assert found.shape == (3, 2, mode) and found.dtype == np.uint8 and (found == expected).all()


@pytest.mark.parametrize("parts", [("images",), ("images/train", "images/val")], ids=["folds", "held out"])
def test_images_larger_than_the_memory_limit_are_datasets_with_the_same_rows(parts):
    for part in parts:
        draw_folder(part)
    prepared: ImageData = prepare_images(Path("images"))
    size = len(prepared.files) * 9 * 6  # bytes of the pixels
    arrays, arguments = (
        make_image_fit_arguments(prepared, settings(), 2 * size),
        make_image_fit_arguments(prepared, settings(), 2 * size - 1),
    )
    expected, found = [(arrays["x"], arrays["y"])], [arguments["x"]]
    if len(parts) > 1:
        expected.append(arrays["validation_data"])
        found.append(arguments["validation_data"])
    assert "y" not in arguments and arguments["max_memory"] == 2 * size - 1
    for dataset, pixels in zip(found, expected, strict=True):
        batches = [*dataset.as_numpy_iterator()]
        assert len(batches) == 4 and len(pixels[0]) == 2 * N
        for place in range(2):
            np.testing.assert_array_equal(np.concatenate([batch[place] for batch in batches]), pixels[place])


@pytest.mark.full
def test_the_memory_limit_of_the_command_holds_for_images(monkeypatch):
    monkeypatch.setattr(_dataset, "_READ", (100, 2**24))  # rows that are read at once
    for part in ("images/train", "images/val"):
        draw_folder(part, 200)
    common = ["fit", "images", "--epochs", 1, "--batch-size", 64, "--format", "json"]
    done = run(*common, "--max-memory", "20kB", "-o", "disk")
    assert done.exit_code == 0, done.output
    assert sh.Path.load("disk").plan["blocks"] > 1


def test_a_dry_run_writes_nothing():
    draw_folder("images")
    done = run("fit", "images", "--dry-run", "--folds", 2, "--epochs", 1)
    assert done.exit_code == 0 and "models: " in done.stdout and "Dry run" in done.stdout, done.output
    assert [*Path().iterdir()] == [Path("images")]
