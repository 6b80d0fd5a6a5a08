"""Run by `make test-wheel` where only the built wheel is installed: fit, predict and plot."""

import tempfile
from pathlib import Path

import keras
import numpy as np

import shrinkage as sh


def main() -> None:
    """Exit with a sentence where the wheel is not what runs, or does not work."""
    if "site-packages" not in Path(sh.__file__).parts:
        raise SystemExit(f"not the installed wheel, but {sh.__file__}")

    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 10)).astype("float32")
    y = x @ rng.normal(size=(10, 1)).astype("float32")
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile("adam", "mean_squared_error")
    path = sh.fit(model, x, y, penalty=sh.L2(), cv=3, epochs=3)
    found = path.model().predict(x, verbose=0)
    if found.shape != y.shape or not np.isfinite(found).all():
        raise SystemExit(f"predict gave {found.shape}")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "path.png"
        path.plot(picture)
        if not picture.read_bytes().startswith(b"\x89PNG"):
            raise SystemExit("plot wrote no picture")
    print(path)


if __name__ == "__main__":
    main()
