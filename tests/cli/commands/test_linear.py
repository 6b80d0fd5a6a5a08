"""Linear models."""

import numpy as np
import pandas as pd
import pytest

import shrinkage as sh
from tests.cli.commands.running import N, run, write

TRAINED = [
    ["--penalty", "l1"],
    ["--how", "decoupled"],
    ["--epochs", 400],
    ["--batch-size", 8],
    ["--learning-rate", 0.1],
]


@pytest.mark.parametrize("options", TRAINED)
def test_a_linear_model_has_defaults_that_go_together(fake_fit, options):
    assert run("fit", write(), "--target", "price", "--model", "linear", *options).exit_code == 0
    (call,) = fake_fit.calls
    rate = call.model.optimizer.get_config()["learning_rate"]
    assert call.solver == "gradient"
    if "--batch-size" in options:
        assert (call.batch_size, call.epochs, call.patience) == (8, 200, 10) and rate == pytest.approx(0.001)
        return
    assert call.batch_size == N and call.epoch == "last"
    assert call.epochs == rate["config"]["decay_steps"] == (400 if "--epochs" in options else 1000)
    assert rate["config"]["initial_learning_rate"] == (0.1 if "--learning-rate" in options else 0.3)


@pytest.mark.parametrize("options", [[], ["--how", "coupled"], ["--penalty", "l2", "--folds", 3]])
def test_a_linear_model_with_an_l2_penalty_is_computed(fake_fit, options):
    done = run("fit", write(), "--target", "price", "--model", "linear", *options)
    assert done.exit_code == 0 and "training: linear model, computed exactly at each strength, " in done.stdout
    (call,) = fake_fit.calls
    assert (call.solver, call.epochs, call.batch_size, call.patience) == ("exact", None, None, None)


@pytest.mark.parametrize(("target", "options"), [("y", []), ("c", []), ("three", ["--folds", 3])])
def test_an_exact_model_is_that_of_scikit_learn_and_nothing_is_said_of_training(target, options):
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import scale

    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 4)) * [1, 10, 100, 1000] + 7
    y = x @ [3.0, -0.2, 0.0, 0.001] + 2 * rng.normal(size=90)
    three = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    targets = {"y": y, "c": np.where(y > y.mean(), "yes", "no"), "three": np.array(["a", "b", "c"])[three]}
    pd.DataFrame(x, columns=list("pqrs")).assign(**{target: targets[target]}).to_csv("t.csv", index=False)
    asked = ["fit", "t.csv", "--target", target, "--model", "linear", "--no-clip", *options, "-o", "run"]
    dry, done = run(*asked, "--dry-run"), run(*asked)
    assert done.exit_code == dry.exit_code == 0, done.output + dry.output
    assert "computed exactly" in dry.stdout and "time:" not in dry.stdout
    for word in ("epoch", "learning rate", "--learning-rate", "Adam", "batch"):
        assert word not in done.stdout + dry.stdout, word
    path = sh.Path.load("run")
    for index in (2, path.index_min):
        lam = float(path.lams[index])
        if target == "y":
            reference = Ridge(90 * lam / 2).fit(scale(x), scale(y))
        else:
            reference = LogisticRegression(C=1 / max(90 * lam, 1e-12), tol=1e-10, max_iter=1000)
            reference.fit(scale(x), targets[target])
        got = np.asarray(path.model(lam).get_weights()[-2])
        expected = np.atleast_2d(reference.coef_).T
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-3)  # which class is 1 may differ
    assert run("predict", "run", "t.csv", "-o", "p.csv").exit_code == 0


@pytest.mark.full
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
