"""Linear models."""

import numpy as np
import pandas as pd
import pytest

import shrinkage as sh
from tests.cli.commands.running import N, run, write


@pytest.mark.parametrize("options", [[], ["--epochs", 400], ["--batch-size", 8], ["--learning-rate", 0.1]])
def test_a_linear_model_has_defaults_that_go_together(fake_fit, options):
    assert run("fit", write(), "--target", "price", "--model", "linear", *options).exit_code == 0
    (call,) = fake_fit.calls
    rate = call.model.optimizer.get_config()["learning_rate"]
    if "--batch-size" in options:
        assert (call.batch_size, call.epochs, call.patience) == (8, 200, 10) and rate == pytest.approx(0.001)
        return
    assert call.batch_size == N and call.epoch == "last"
    assert call.epochs == rate["config"]["decay_steps"] == (400 if "--epochs" in options else 1000)
    assert rate["config"]["initial_learning_rate"] == (0.1 if "--learning-rate" in options else 0.3)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_full_batches_reach_the_minimum_of_a_linear_model(penalty):
    """Of 47 rows, against scikit-learn on the same matrix, with fewer epochs than by default to save time."""
    from sklearn.linear_model import Lasso, Ridge
    from sklearn.preprocessing import scale

    rng = np.random.default_rng(0)
    x = rng.normal(size=(47, 4)) * [1, 10, 100, 1000] + 7
    y = x @ [3.0, -0.2, 0.0, 0.001] + rng.normal(size=47)
    pd.DataFrame(x, columns=list("abcd")).assign(y=y).to_csv("t.csv", index=False)
    options = ["--model", "linear", "--penalty", penalty, "--folds", 2, "--epochs", 400, "-o", "run"]
    done = run("fit", "t.csv", "--target", "y", *options)
    assert done.exit_code == 0, done.output
    assert "all rows in a batch" in done.stdout and "--batch-size" not in done.stdout
    assert max(map(len, done.stdout.partition("models in ")[2].splitlines())) <= 110
    path = sh.Path.load("run")
    for index in (4, 8, path.index_min):
        lam = float(path.lams[index])
        # The mean squared error plus lam * |w|, or lam / 2 * |w|², of a standardised target.
        reference = Lasso(lam / 2, tol=1e-10) if penalty == "l1" else Ridge(47 * lam / 2, tol=1e-10)
        expected = reference.fit(scale(x), scale(y)).coef_
        got = np.asarray(path.model(lam).get_weights()[-2])[:, 0]
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(got, expected, atol=0.002)
