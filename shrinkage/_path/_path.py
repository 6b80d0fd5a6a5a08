"""The result of `sh.fit`: losses, choices and models at all strengths, as an immutable object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shrinkage._cv._choice import choose_strengths
from shrinkage._messages._note import PYTHON, Note
from shrinkage._path import _outputs
from shrinkage._path._call import format_attach_call
from shrinkage._path._choose import MetricChoice, choose_by_metric
from shrinkage._path._curve import Array, Curve, Status
from shrinkage._path._diagnosis import Diagnosis, diagnose
from shrinkage._path._files import read_saved_path, write_saved_path
from shrinkage._path._missing_attributes import describe_missing_attribute
from shrinkage._path._model_words import describe_model_strength
from shrinkage._path._pictures._kinds import Kind, check_kind, make_drawings
from shrinkage._path._pictures._plot import plot
from shrinkage._path._report._html import render_notebook_table
from shrinkage._path._report._sections import ComparisonLike
from shrinkage._path._tables import make_table_columns, make_trial_columns
from shrinkage._path._text import format_table_cells, list_remarks
from shrinkage._path._verdict import make_path_verdict
from shrinkage._path._words import Sentence

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from shrinkage._model._template import Template
    from shrinkage._weights._selection import Selection


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Path(Curve):
    """The regularization path of a Keras model: J(w) = mean data loss + lam * P(w) for every strength lam of a grid.

    Shapes: F folds, S strengths, E epochs and m held-out rows. All losses are mean *data* losses, without the penalty.
    Arrays are read-only. Strengths are in descending order, and the last is 0, no penalty. `print(path)` shows the
    table and the verdict, `path.plot()` draws the curve, and `path.model()` returns the chosen model.

    If a model diverged at every strength, there is nothing to choose: `index_min`, `index_1se`, `lam_min`, `lam_1se`,
    `gain`, `null_gain`, `optimism` and `model()` raise `NothingToChoose`, a ValueError, and everything else works. If a
    fold's model diverged at every strength, no model is trained on all rows: `full_status` is `Status.SKIPPED`,
    `weights` is empty, and `norm`, `nonzero` and `zero_groups` are NaN. With `models="chosen"` the other strengths have
    `Status.NOT_TRAINED`, and NaN in the same places.

    Attributes:
        lams: (S,) strengths for all `n_rows` rows.
        cv_loss: (F, S, E) mean loss of the held-out rows after each epoch; NaN from where a member diverged, or
            `patience` stopped the strength. Of repeats, fold f of repeat r is `cv_loss[r * K + f]`.
        train_loss: (F, S, E) mean loss of training rows after each epoch, in inference mode. The rows are equal in
            number to the held-out rows: in cross-validation the rows that the next fold holds out, otherwise rows
            drawn at random.
        fold_weight: (F,) number of held-out rows, or the sum of their sample weights.
        train_weight: (F,) number of the rows of `train_loss`, or the sum of their sample weights.
        epochs: (S,) the epoch chosen for each strength, counted from 1.
        held_out_rows: (m,) numbers of the rows that were held out, each once, in the order of `predictions` and
            `row_loss`. If the rows are on disk, these are a random sample of the held-out rows.
        predictions: (m, S, ...) out-of-fold predictions at the chosen epoch, averaged over the folds that hold out the
            row, which are several with repeats; for a model with several outputs, a dictionary or tuple of arrays in
            the structure of the outputs.
        targets: (m, ...) targets of the held-out rows in the structure of the outputs, in the units of `predictions`;
            class labels are (m,) or one-hot, as the loss takes them. None for an output without a loss, and in a path
            that an earlier version saved without them.
        row_loss: (m, S) loss per held-out row, averaged in the same way; NaN for a loss or a model that mixes the rows
            of a batch.
        row_weight, groups: (m,) weights of the held-out rows, None if all are equal; and their `groups`, or None.
        metrics: the compiled metrics of the predictions for all held-out rows, (S,) each. With repeats, an average of
            several predictions may be better than the prediction of one model.
        null_loss, null_se, null_metrics: loss, standard error and metrics of the best constant; NaN if there is none.
        null_fold_loss, null_row_loss: (F,) and (m,) losses of the best constant per fold and per held-out row; None in
            a path that an earlier version saved without them.
        norm: (S,) Euclidean norm of the penalised weights of the models trained on all rows; for `L2(toward=...)` the
            distance from the weights given by `toward`.
        nonzero: (S,) number of penalised weights that are not zero, in the models trained on all rows.
        zero_groups: (S,) number of groups of a group lasso with all weights zero, that is, units or inputs that can be
            removed, in the models trained on all rows; None for other penalties.
        status: (F, S) `Status` of the member of each fold and strength.
        full_status: (S,) `Status` of the models trained on all rows.
        weights: values of all variables of the models trained on all rows, in the order of `path.model().variables`,
            each (T, ...) for the T strengths where `has_model` is true, which are all unless `models="chosen"`; they
            include moving statistics and the states of random layers.
        penalty, how: the penalty, and where it enters: `Coupled()`, `Proximal()` or `Decoupled()`.
        loss_name: name of the compiled loss.
        template: the template that makes models from weights.
        selection: the weights that were penalised.
        folds: the split into training and held-out rows.
        n_rows: number of rows of the data.
        seed: seed of all random numbers.
        plan: the settings that are needed, besides the seed, to repeat the run to the bit.
        notes: notes for the user, such as arguments that were changed.
        seconds: wall-clock time of the fit in seconds.
        solver: "exact" if the models are minima of J that were computed; then there is one epoch. Otherwise "gradient".
        budget: the argument `budget` of a search within a budget; None for a grid. The folds of the search have a
            single split, with a part of the rows for training, and only `lam` has a model trained on all rows.
        learning_curve: after `fit(learning_curve=True)`, the losses on parts of the training rows: `rows` (P,), `mean`
            and `se` (P, 2) at `lam` and at 0, `falls` (P - 1, 2, 3) with intervals; otherwise None.
        lam_model: with `penalty="model"`, the strength of the model's regularizers, which is in `lams`; otherwise None.
        target_mean, target_sd: location and scale of the targets: `target_mean + target_sd * p` converts a prediction
            `p` of standardised targets.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
        >>> model.compile("sgd", "mean_squared_error")
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> path = sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), lams=[0.1, 0.01], cv=3, epochs=5)
        >>> path.cv_loss.shape
        (3, 3, 5)
        >>> path.lam_min in path.lams
        True
        >>> print(path)
        L2 path of line: 3 weights, 2 penalised; 3 strengths x 3 folds, then all rows: 12 models in ... s
                lambda     index    squared error...
    """

    template: Template
    weights: tuple[Array, ...]
    selection: Selection
    seed: int
    plan: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float

    def model(self, lam: Literal["min", "1se", "none", "model"] | float | None = None) -> keras.Model:
        """Make the model that was trained on all rows with strength `lam`.

        Args:
            lam: None for `path.lam`, the choice; "min" for `lam_min`, "1se" for `lam_1se`, "none" for no penalty,
                "model" for `lam_model`, or one of `lams`.

        Returns:
            A new compiled Keras model with no penalty attached and an optimizer that has taken no step.

        Raises:
            TypeError: if `lam` is neither a string nor a number.
            NothingToChoose: if a model diverged at every strength. It is a ValueError.
            ValueError: if `lam` has another value, or if the model at `lam` diverged.
        """
        index = self.index_of(lam)
        status, strength = self.full_status[index], f"lam = {self.lams[index]:.6g}"
        if status is Status.SKIPPED:
            choose_strengths(self.candidates, self.se)  # raises NothingToChoose
        if status is Status.NOT_TRAINED:
            grid = "with models='all'" if self.budget is None else "without `budget`"
            call = format_attach_call(self, self.lams[index], self.plan)
            before = f"{call} and then " if self.lams[index] else ""
            raise ValueError(
                f"`lam` must be a strength whose model was trained on all rows. Received: {strength}, which was not "
                f"chosen. Call fit {grid}, or call {before}model.fit for {self.epochs[index]} epochs."
            )
        if status is not Status.OK:
            text = f"`lam` must be a strength whose model on all rows is finished. Received: {strength}, whose model"
            raise ValueError(f"{text} {status.value}. Choose another strength.")
        place = int(np.count_nonzero(self.has_model[:index]))
        return self.template.make_model([weight[place] for weight in self.weights])

    def choose(self, metric: Any, *, rule: Literal["min", "1se"] = "min") -> MetricChoice:
        """Choose the strength by a metric of the held-out predictions, in place of the loss.

        The metric is computed on the rows of each fold, and averaged with `fold_weight`, as by glmnet's
        `type.measure`. The default, `path.lam`, does not change: it is chosen by the loss, which uses the whole
        prediction, where an accuracy or a ranking uses a part of it. With repeats, a prediction is the average of the
        repeats', and the folds are those of the first repeat.

        Args:
            metric: the name of a compiled metric, such as "accuracy"; "auc"; a name of
                `sklearn.metrics.get_scorer_names()`, such as "f1_macro"; a scorer of `sklearn.metrics.make_scorer`; or
                a function of `sklearn.metrics`, such as `mean_absolute_error`, whose name tells whether larger values
                are better.
            rule: "min" for the best mean, the largest strength of several; "1se" for the largest strength within one
                standard error of it.

        Returns:
            A `MetricChoice`, a float: the strength, which `path.model` takes. It prints the metric there and at the
            choice by the loss, and has the attributes `metric`, `index`, `mean` (S,), `se` (S,) and `fold_values`
            (F, S).

        Raises:
            TypeError, ValueError: if the metric is not known, or cannot be computed of the predictions of every fold.
            NothingToChoose: if a model diverged at every strength.

        Source: glmnet's `cv.glmnet(type.measure=)`; Friedman, Hastie & Tibshirani (2010).

        Example:
            >>> import keras, numpy as np, shrinkage as sh
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")], name="logit")
            >>> model.compile("sgd", "binary_crossentropy")
            >>> x = np.random.default_rng(0).normal(size=(60, 2))
            >>> path = sh.fit(model, x, (x[:, 0] > 0) * 1, penalty=sh.L2(), lams=[0.1, 0.01], cv=3, epochs=5)
            >>> chosen = path.choose("auc")
            >>> float(chosen) in path.lams, chosen.fold_values.shape
            (True, (3, 3))
            >>> path.model(chosen).count_params()
            3
        """
        return choose_by_metric(self, self.template, metric, rule)

    def table(self) -> pd.DataFrame:
        """Return a data frame with a row for each strength, in the order of `lams`.

        The columns are lam; index, as printed, counted from 1 (the index of the data frame and `lams` count from 0);
        loss, the held-out loss at the chosen epoch (`mean`); se, the standard error of the loss; train_loss
        (`train_mean`); the compiled metrics by name; epoch, counted from 1; norm; nonzero; zero_groups, for a group
        lasso; and failed.
        """
        import pandas as pd

        return pd.DataFrame(make_table_columns(self))

    @property
    def trials(self) -> pd.DataFrame:
        """A data frame with a row for each member: each fold, and each strength in the order of `lams`.

        The columns are fold, counted from 1; rows, the training rows; lam; delta, which is `n_rows` * lam, or for
        `Decoupled` lam times the sum of the learning rates of a training on all rows; epoch, the chosen epoch; loss,
        the held-out loss there; difference, the loss minus the loss of the fold at `path.lam`; error, the paired
        standard error of the difference over the held-out rows, NaN with repeats; and cost, in trainings on all rows,
        where scoring a row costs a third of training on it.
        """
        import pandas as pd

        return pd.DataFrame(make_trial_columns(self, self.plan))

    def verdict(self) -> str:
        """Return the sentences below the table: first the advice, then the gain of the penalty over no penalty.

        The verdict says so if the gain cannot be judged: if training has hardly begun, if no strength clearly beats the
        best constant, or if strengths diverged.
        """
        return Note(" ".join(each.words for each in self._sentences))

    def diagnose(self) -> Diagnosis:
        """Return the findings behind the verdict, each with its numbers and the next step as code.

        The sentences of the first findings, one after the other, are the verdict. Findings about the choice and the
        folds follow, which the verdict leaves out. `print(path.diagnose())` lists them. docs/diagnosis.md lists the
        codes, and shows how often the findings are right.

        Returns:
            A `Diagnosis`, a sequence of findings. A finding has a `severity` ("error", "warning" or "note"), a `code`,
            the `sentence`, the `evidence`, a dictionary of numbers, and a `fix` as code, which uses `path`, `sh`, `np`,
            and the `model`, `x`, `y` and `groups` of the call of `fit`. It has the arguments that a path knows; add
            rows' weights, `on`, `patience` and `epoch`.

        Example:
            >>> import keras, numpy as np, shrinkage as sh
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
            >>> model.compile("sgd", "mean_squared_error")
            >>> x = np.random.default_rng(0).normal(size=(60, 2))
            >>> path = sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), lams=[0.1, 0.01], cv=3, epochs=5)
            >>> finding = path.diagnose()[0]
            >>> finding.code, finding.fix
            ('hardly-trained', 'path = sh.fit(model, x, y, penalty=path.penalty, lams=path.lams, cv=3, epochs=20)')
        """
        scheduled = self.template.has_schedule
        return diagnose(
            self, self._sentences, _outputs.format_path_title(self), self.plan, self.seed, has_schedule=scheduled
        )

    @property
    def _sentences(self) -> list[Sentence]:
        sentences = make_path_verdict(self, self.notes, has_schedule=self.template.has_schedule, seconds=self.seconds)
        own = describe_model_strength(self)
        return [*sentences, *([Sentence("strength-of-the-model", own)] if own else [])]

    def plot(
        self,
        file: Any = None,
        *,
        kind: Kind = "loss",
        lam: Literal["min", "1se", "none", "model"] | float | None = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Figure:
        """Draw a picture of the path.

        Args:
            file: a file name or file object to save the figure to; the extension of the name determines the format.
            kind: the picture:

                - "loss", the held-out loss against log10(lam), with one-standard-error bars and the choices marked;
                - "epochs", training and held-out loss by epoch at `lam`;
                - "folds", the held-out loss of each fold against log10(lam);
                - "weights", the norm of the penalised weights of each layer against log10(lam), and for a penalty that
                  makes weights zero, the share of the weights that are not zero;
                - "calibration", for a classification, how often an event occurred against its predicted probability,
                  at `lam` and without a penalty: with two classes that of class 1, with more that the predicted class
                  is right;
                - "residuals", for a regression, target minus prediction against the prediction, at `lam`;
                - "classes", for a classification, the held-out loss of each class, at `lam` and without a penalty;
                - "rows", the losses of `learning_curve` against the number of training rows.

            lam: a strength, as in `model`; None is `path.lam`. "loss", "folds" and "weights" show all strengths.
            ax: Matplotlib axes to draw on. "weights" of a penalty that makes weights zero takes two; with one it draws
                the norms. None makes a figure.

        Returns:
            The Matplotlib figure, which is not registered with pyplot and has no window.

        Raises:
            TypeError: if `ax` is not Matplotlib axes, or `file` not a file.
            OSError: if the file cannot be written.
            NothingToChoose: if `lam` is None and a model diverged at every strength. It is a ValueError.
            ValueError: if `kind` or `lam` has another value, or if the path has no data for the picture.

        Example:
            >>> from matplotlib.figure import Figure
            >>> import keras, numpy as np, shrinkage as sh
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
            >>> model.compile("sgd", "mean_squared_error")
            >>> x = np.random.default_rng(0).normal(size=(60, 2))
            >>> path = sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), lams=[0.1, 0.01], cv=3, epochs=5)
            >>> left, right = Figure(figsize=(10, 4)).subplots(1, 2)
            >>> figure = path.plot(ax=left)
            >>> figure = path.plot(kind="residuals", lam="none", ax=right)
        """
        index = self.index_of(lam) if check_kind(kind, lam) else 0
        layer_weights = partial(_outputs.compute_layer_weights, self)
        pictures = make_drawings(kind, self, index, layer_weights, from_logits=self.template.from_logits)
        return plot(pictures, file, ax, title=_outputs.format_path_title(self))

    def report(self, file: Any, *, x: Any = None, comparison: ComparisonLike | None = None) -> None:
        """Write a page with verdict, pictures and provenance: one HTML file that requests nothing from a network.

        Args:
            file: the file name, such as "report.html". An existing file is replaced.
            x: the rows of the fit as a table or an array (n_rows, columns), with those of `validation_data` last. The
                page then shows the values of the rows with the largest held-out loss, and otherwise row numbers only.
            comparison: a comparison of several penalties or models to show, as `shrinkage.compare` returns it.

        Raises:
            TypeError: if `x` is no table and no array of two dimensions, or if `comparison` is no comparison.
            ValueError: if `x` has another number of rows, or the file name ends in another format than .html.
            OSError: if the file cannot be written.

        Example:
            >>> import keras, numpy as np, pathlib, shrinkage as sh, tempfile
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
            >>> model.compile("sgd", "mean_squared_error")
            >>> x = np.random.default_rng(0).normal(size=(60, 2))
            >>> path = sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), lams=[0.1, 0.01], cv=3, epochs=5)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path.report(pathlib.Path(folder, "report.html"))
        """
        _outputs.write_path_page(self, file, PYTHON, x=x, comparison=comparison)

    def save(self, folder: Any, *, overwrite: bool = False) -> None:
        """Write the path to a folder: `path.json`, `arrays.npz` and `template.keras`; nothing in them is pickled.

        It warns if `load` cannot read the model, for example because a class is not registered with Keras. The files
        are moved to the folder when all of them are complete, so a failure does not change an earlier path.

        Args:
            folder: the folder, which is created with all parent folders.
            overwrite: whether an existing folder may be used; other files in the folder are not changed.

        Raises:
            OSError: if the folder exists and `overwrite` is False, or if it cannot be written.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        write_saved_path(folder, values, _outputs.make_summary_entries(self), overwrite=overwrite)

    @classmethod
    def load(cls, folder: Any) -> Path:
        """Read a path from a folder that `save` wrote.

        Raises:
            FileNotFoundError: if the folder does not exist.
            ValueError: if `save` did not write the folder, if it is damaged or comes from a newer version, or if Keras
                does not find a custom class or function of the model.
        """
        return cls(**read_saved_path(folder))

    if not TYPE_CHECKING:  # for a type checker, any attribute would exist

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(describe_missing_attribute(name), name=name, obj=self)

    def __repr__(self) -> str:
        return _outputs.format_path_text(self, PYTHON)

    def _repr_html_(self) -> str:
        """Return the table, the verdict and the notes for a notebook."""
        words = [PYTHON.say(text) for text in (self.verdict(), *list_remarks(self), *self.notes)]
        return render_notebook_table(_outputs.format_path_header(self), format_table_cells(self), words)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled path; an earlier version may have written it without `loss_name`."""
        self.__dict__.update(state)
        self.__dict__.setdefault("loss_name", self.template.loss_name)
        self.__dict__.setdefault("train_weight", np.roll(self.fold_weight, -1))
