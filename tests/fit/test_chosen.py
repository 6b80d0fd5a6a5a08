"""`models="chosen"`: only the chosen strengths are trained on all rows."""

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._path._curve import Status
from shrinkage._search import _search
from tests.fit.fitting import TARGET, X, Y, classifier, fit, line

LAMS = [3.0, 1.0, 0.3, 0.1, 0.03]


def both(**options):
    return (fit(classifier(), lams=LAMS, epochs=6, models=models, **options) for models in ("all", "chosen"))


@pytest.mark.parametrize("options", [{}, {"cv": 0.3}, {"penalty": sh.GroupLasso("units")}], ids=str)
def test_the_chosen_models_are_those_of_the_whole_path(options):
    whole, chosen = both(**options)
    trained = sorted({whole.index_min, whole.index_1se})
    assert 0 < len(trained) < len(whole.lams)
    assert (chosen.index_min, chosen.index_1se, chosen.lam) == (whole.index_min, whole.index_1se, whole.lam_min)
    np.testing.assert_array_equal(chosen.cv_loss, whole.cv_loss)
    assert np.flatnonzero(chosen.has_model).tolist() == trained and not chosen.failed.any()
    for rule in ("min", "1se"):  # members of another number are compiled anew: the last bits differ
        for one, other in zip(chosen.model(rule).get_weights(), whole.model(rule).get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(chosen.norm[trained], whole.norm[trained], rtol=1e-4)
    assert np.isnan(np.delete(chosen.norm, trained)).all() and np.isnan(np.delete(chosen.nonzero, trained)).all()
    assert (chosen.zero_groups is None) == (whole.zero_groups is None)


def test_another_strength_has_no_model_and_says_how_to_get_one(tmp_path):
    path = fit(classifier(), lams=LAMS, models="chosen")
    other = int(np.flatnonzero(~path.has_model)[0])
    assert path.full_status[other] is Status.NOT_TRAINED
    with pytest.raises(
        ValueError, match=r"was not chosen. Call fit with models='all', or call shrinkage.attach\(model, L2\(\), "
    ):
        path.model(path.lams[other])
    assert f"then {path.has_model.sum()} on all rows: {3 * 6 + path.has_model.sum()} models" in repr(path)
    path.plot(tmp_path / "picture.png")
    path.save(tmp_path / "path")
    again = sh.Path.load(tmp_path / "path")
    assert repr(again) == repr(path) and again.table().equals(path.table())
    for one, saved in zip(path.model().get_weights(), again.model().get_weights(), strict=True):
        np.testing.assert_array_equal(one, saved)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"how": sh.Decoupled()}, "L2(), lam=3, how=Decoupled()"),
        ({"on": "*dense*/kernel"}, "L2(), lam=3, on='*dense*/kernel'"),
        ({"penalty": sh.L1(), "on": lambda _layer, variable: "kernel" in variable.path}, "L1(), lam=3, on=on"),
    ],
    ids=["how", "on", "a function"],
)
def test_the_advice_penalises_as_the_path_did(options, arguments):
    path = fit(classifier(), lams=LAMS, models="chosen", **options)
    assert path.full_status[0] is Status.NOT_TRAINED
    with pytest.raises(ValueError, match="`lam` must be .* Received: lam = 3, which was not chosen") as error:
        path.model(3.0)
    call = f"shrinkage.attach(model, {arguments})"
    assert f"or call {call} and then model.fit for {path.epochs[0]} epochs." in str(error.value)
    model = classifier()
    names = {"shrinkage": sh, "model": model, "on": options.get("on"), "L2": sh.L2, "L1": sh.L1}
    attachment = eval(call, names | {"Decoupled": sh.Decoupled})
    assert attachment.how == path.how and sh.describe(model).mask == path.selection.mask


def test_a_choice_that_diverges_on_all_rows_is_left_out(monkeypatch):
    whole = fit(line(), y=TARGET, lams=LAMS)
    real, trained = _search.Search.train_all_rows, []

    def diverging(self, lams, kept):
        """The first choice diverges."""
        models = real(self, lams, kept)
        trained.append(lams.tolist())
        return [model._replace(diverged=lam == whole.lam_min) for lam, model in zip(lams, models, strict=True)]

    monkeypatch.setattr(_search.Search, "train_all_rows", diverging)
    path = fit(line(), y=TARGET, lams=LAMS, models="chosen")
    assert len(trained) > 1 and whole.lam_min in trained[0]
    assert path.full_status[whole.index_min] is Status.DIVERGED
    assert path.index_min == np.argmin(np.where(np.arange(6) == whole.index_min, np.inf, whole.mean))
    assert np.isfinite(path.model().predict(X, verbose=0)).all()


def test_a_recorded_run_goes_on_with_the_same_models(tmp_path):
    paths = [fit(classifier(), lams=LAMS, models="chosen", run=tmp_path / "run") for _ in range(2)]
    np.testing.assert_array_equal(paths[0].weights[0], paths[1].weights[0])
    with pytest.raises(ValueError, match="`models` is 'all', and was 'chosen'"):
        fit(classifier(), lams=LAMS, run=tmp_path / "run")


def test_another_word_is_refused():
    with pytest.raises(ValueError, match=r"""`models` must be "all" or "chosen". Received: 'best'."""):
        fit(classifier(), X, Y, models="best")
