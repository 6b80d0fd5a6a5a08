"""What an earlier version wrote is read: pickles, which name its modules, saved paths and saved models."""

import pickle
from pathlib import Path

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._model._attached import get_attachments
from tests.versions import newer_files

WRITTEN = Path(__file__).parent / "fixtures" / "version_0_1"
X = np.random.default_rng(0).normal(size=(60, 4))


def unpickled(name: str):
    return pickle.loads((WRITTEN / f"{name}.pickle").read_bytes())


@newer_files
@pytest.mark.parametrize(
    "read", [lambda: unpickled("path"), lambda: sh.Path.load(WRITTEN / "path")], ids=["pickle", "folder"]
)
def test_a_path(read):
    path = read()
    assert str(path).startswith("L1 path of sequential: 31 weights, 25 penalised; 3 strengths x 3 folds")
    assert path.loss_name == "mean_squared_error" and path.lam_min in path.lams and path.gain.low < path.gain.high
    assert path.model().predict(X, verbose=0).shape == (60, 1)
    again = pickle.loads(pickle.dumps(path))
    assert str(again) == str(path)


@newer_files
@pytest.mark.parametrize(
    "read",
    [lambda: unpickled("model"), lambda: keras.models.load_model(WRITTEN / "model.keras")],
    ids=["pickle", "keras"],
)
def test_an_attached_model(read):
    model = read()
    np.testing.assert_allclose(model(X), np.load(WRITTEN / "predictions.npy"), rtol=1e-5)
    (attachment,) = get_attachments(model)
    assert attachment.penalty == sh.ElasticNet(0.5) and float(attachment.lam) == pytest.approx(0.1)


def test_a_selection():
    assert unpickled("selection").n_penalised == 25
