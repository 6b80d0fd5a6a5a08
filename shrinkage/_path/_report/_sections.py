"""The sections of a report, each from the data of a picture or from the provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from shrinkage._cv._series import is_series
from shrinkage._messages._note import Note, Vocabulary, format_duration
from shrinkage._path._curve import Curve
from shrinkage._path._pictures._curve_data import compute_curve_data, find_choices
from shrinkage._path._pictures._held_out import (
    CLASSIFICATION,
    compute_calibration_data,
    compute_classes_data,
    compute_residuals_data,
)
from shrinkage._path._pictures._kinds import select_compared_strengths
from shrinkage._path._pictures._no_picture import NoPicture
from shrinkage._path._pictures._rows import compute_rows_data
from shrinkage._path._pictures._training import compute_epochs_data, compute_folds_data
from shrinkage._path._report import _figures
from shrinkage._path._report._provenance import Provenance
from shrinkage._path._report._repeat import format_repeat_call
from shrinkage._path._report._section import Section, SectionTable
from shrinkage._path._words import format_lam, format_loss_name, format_strength

_LAYERS = 24  # of which the weights are drawn


@runtime_checkable
class ComparisonLike(Protocol):
    """The parts of a comparison of several penalties or models that a report shows."""

    @property
    def paths(self) -> Any:
        """The path of each by name."""
        ...

    def table(self) -> Any:
        """Return a data frame with a row for each."""
        ...

    def verdict(self) -> str:
        """Return the comparison in words."""
        ...


def make_loss_section(curve: Curve) -> Section:
    """Return held-out and training loss against the strength."""
    words = (
        "Each point is the mean loss on held-out rows, without the penalty, with one standard error. Strengths grow to "
        "the right; 0 is no penalty. Choose a point to see its epochs below."
    )
    figure = _figures.make_loss_figure(compute_curve_data(curve), curve)
    return Section("Held-out loss against the strength", words, [figure])


def make_epochs_section(curve: Curve) -> Section:
    """Return the losses by epoch, with a slider over the strengths."""
    title = "Training, epoch by epoch"
    try:
        data = compute_epochs_data(curve)
    except NoPicture as error:
        return Section(title, str(error))
    marks: dict[int, str] = {len(curve.lams) - 1: "none"}
    for name, place in find_choices(curve).items():
        marks[place] = f"{marks[place]} = {name}" if place in marks else name
    index = len(curve.lams) - 1 if curve.failed.all() else curve.index
    figure = _figures.make_epochs_figure(data, index, marks, curve.lams * curve.n_rows)
    words = (
        "Both losses are without the penalty. Held-out loss rises again where training overfits. The dotted line is "
        "the epoch whose weights the strength keeps."
    )
    if (every := figure["slider"]["every"]) > 1:
        words += f" Every {every}th epoch is shown, and the chosen ones."
    return Section(title, words, [figure])


def make_folds_section(curve: Curve) -> Section:
    """Return the held-out loss of each fold."""
    title = "Fold by fold"
    try:
        data = compute_folds_data(curve)
    except NoPicture as error:
        return Section(title, str(error), is_wide=False)
    words = "Where the least losses of the folds lie at similar strengths, the choice depends little on the split."
    return Section(title, words, [_figures.make_folds_figure(data)], is_wide=False)


def make_weights_section(provenance: Provenance) -> Section:
    """Return norms and zeros of the layers."""
    title = "Weights of each layer"
    try:
        data = provenance.weights()
    except NoPicture as error:
        return Section(title, str(error), is_wide=False)
    words = (
        "Euclidean norm of the penalised weights, with their number in brackets, in the models trained on all rows, "
        "each at its epoch."
    )
    found = [_figures.make_norms_figure(data)] + [_figures.make_nonzero_figure(data)] * data.sparse
    if data.sparse:
        words += " And the share of them that is not exactly zero."
    if len(data.layers) > _LAYERS:
        words += f" The first {_LAYERS} of {len(data.layers)} layers are drawn."
        found = [{**figure, "data": figure["data"][:_LAYERS]} for figure in found]
    return Section(title, words, found, is_wide=data.sparse)


def make_learning_curve_section(curve: Curve) -> list[Section]:
    """Return the learning curve, if the path has one."""
    if curve.learning_curve is None:
        return []
    part = "the latest of the training rows" if is_series(curve.folds) else "a part of the training rows"
    words = (
        f"Held-out loss after training on {part}, with one standard error, each point at the chosen epoch. The "
        "held-out rows are the same at every point."
    )
    return [Section("More rows", words, [_figures.make_rows_figure(compute_rows_data(curve))], is_wide=False)]


def make_predictions_sections(curve: Curve, provenance: Provenance, terms: Vocabulary) -> list[Section]:
    """Return calibration and losses of classes, or residuals."""
    classes = curve.loss_name in CLASSIFICATION or "hinge" in curve.loss_name
    titles = (["Calibration", "Loss of each class"] if classes else ["Residuals"])[curve.loss_name.count("hinge") :]
    if curve.failed.all():
        return [Section(title, "At every strength a model diverged.", is_wide=False) for title in titles]
    makers = {
        "Calibration": _make_calibration_section,
        "Loss of each class": _make_classes_section,
        "Residuals": _make_residuals_section,
    }
    found = []
    for title in titles:
        try:
            found.append(makers[title](title, curve, provenance, terms))
        except NoPicture as error:
            found.append(Section(title, str(error), is_wide=False))
    return found


def _format_names(curve: Curve) -> dict[str, str]:
    """Return the legend of the choice and of no penalty."""
    pair = select_compared_strengths(curve, curve.index)
    return {label: f"{label}: {format_strength(curve, index)}" if index < len(curve.lams) - 1 else "no penalty"
            for label, index in pair.items()}  # fmt: skip


def _make_calibration_section(title: str, curve: Curve, provenance: Provenance, terms: Vocabulary) -> Section:
    pair = select_compared_strengths(curve, curve.index)
    data = compute_calibration_data(curve, pair, from_logits=provenance.from_logits)
    event = f"of {_format_class(1, terms)}" if data.event == "class 1" else f"that {data.event}"
    errors = {label: f"{100 * bins.error:.1f} %" for label, bins in data.bins.items()}
    first, *others = errors.values()
    words = (
        f"Held-out rows by their predicted probability {event}, in tenths, with 95 % intervals (Wilson 1927). On the "
        f"diagonal a probability is as large as it says. The distance is {first} on average"
        f"{f', and {others[0]} without a penalty' if others else ''}."
    )
    return Section(title, words, [_figures.make_calibration_figure(data, _format_names(curve))], is_wide=False)


def _make_residuals_section(title: str, curve: Curve, provenance: Provenance, terms: Vocabulary) -> Section:
    data = compute_residuals_data(curve, curve.index)
    shown = (
        "" if len(data.residual) == data.n_all else f" {len(data.residual):,} of {data.n_all:,} are drawn, at random."
    )
    unit = " in units of the standardised target" if curve.target_sd != 1 and provenance.from_logits is None else ""
    words = (
        f"Held-out rows at {format_strength(curve, curve.index)}{unit}: a pattern around the line is something that "
        f"the model does not see.{shown}"
    )
    return Section(title, words, [_figures.make_residuals_figure(data)], is_wide=False)


def _make_classes_section(title: str, curve: Curve, provenance: Provenance, terms: Vocabulary) -> Section:
    data = compute_classes_data(curve, select_compared_strengths(curve, curve.index))
    some = "" if len(data.classes) == data.n_all else f" The {len(data.classes)} of {data.n_all} with the largest loss."
    words = f"The mean {data.loss} of the held-out rows of each class.{some}"
    names = [_format_class(int(number), terms) for number in data.classes]
    return Section(title, words, [_figures.make_classes_figure(data, _format_names(curve), names)], is_wide=False)


def _format_class(number: int, terms: Vocabulary) -> str:
    return str(terms.labels[number]) if 0 <= number < len(terms.labels) else f"class {number}"


def make_comparison_section(comparison: ComparisonLike | None) -> list[Section]:
    """Return a comparison: words, a table, and the curves."""
    if comparison is None:
        return []
    if not isinstance(comparison, ComparisonLike):
        raise TypeError(
            f"`comparison` must be a comparison, as shrinkage.compare returns it. "
            f"Received: {type(comparison).__name__}."
        )
    paths, frame = dict(comparison.paths), comparison.table()
    names = {curve.loss_name for curve in paths.values()}
    figure = (
        [_figures.make_comparison_figure(paths, format_loss_name(names.pop() if len(names) == 1 else "loss"))]
        if paths
        else []
    )
    frame = frame if frame.index.name is None and frame.index.dtype.kind in "iu" else frame.reset_index()
    rows = [[_format_cell(value) for value in row] for row in frame.itertuples(index=False)]
    words = [place for place, kind in enumerate(frame.dtypes) if kind.kind not in "iufb"]
    table = SectionTable([str(name).replace("_", " ") for name in frame.columns], rows, words=words)
    return [Section("Comparison", str(comparison.verdict()), figure, table=table)]


def _format_cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}" if np.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def make_selection_section(provenance: Provenance) -> Section:
    """Return which weights are penalised, and why."""
    selection = provenance.selection
    rows = [
        [weight.path, "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(map(str, weight.shape)) or "1", f"{weight.size:,}",
         ("no" if not weight.penalised else "yes" if weight.factor == 1 else f"times {weight.factor:g}"), weight.reason]
        for weight in selection.weights
    ]  # fmt: skip
    share = 100 * selection.n_penalised // max(selection.n_weights, 1)
    words = f"{selection.n_penalised:,} of {selection.n_weights:,} weights are penalised ({share} %)."
    table = SectionTable(["weight", "shape", "number", "penalised", "reason"], rows, words=(0, 1, 3, 4))
    return Section("Which weights are penalised", words, table=table)


def make_training_section(
    curve: Curve, provenance: Provenance, notes: Sequence[str], terms: Vocabulary, command: str
) -> Section:
    """Return how the path was trained, and the command or call that repeats it."""
    plan, folds = provenance.plan, curve.folds
    versions = plan.get("versions", {})
    facts = [
        ("Rows", f"{curve.n_rows:,}"),
        ("Split", f"{folds.kind}, {len(curve.fold_weight)} held-out part{'s' * (len(curve.fold_weight) > 1)}"),
        (
            "Strengths",
            f"{len(curve.lams)}, from {format_lam(float(curve.lams[0]))} to {format_lam(float(curve.lams[-1]))}",
        ),
        ("Penalty", f"{curve.penalty!r}, {provenance.how!r}"),
        ("Loss", format_loss_name(curve.loss_name)),
        ("Epochs", "computed, not trained" if curve.solver == "exact" else f"at most {curve.cv_loss.shape[2]}"),
        ("Batch", f"{plan['batch_size']:,} rows" if plan.get("batch_size") else ""),
        ("Plan", str(plan.get("reason", ""))),
        ("Time", format_duration(provenance.seconds)),
        ("Memory", f"{plan['memory'] / 2**20:,.0f} MiB expected" if plan.get("memory", 0) >= 2**19 else ""),
        ("Threads", str(plan.get("threads", ""))),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items()) if versions else ""),
        ("Seed", str(provenance.seed)),
        ("Split's hash", folds.hash[:16]),
    ]
    repeat = command or format_repeat_call(curve, provenance)
    words = "This command repeats the run:" if command else (
        "This call repeats the run, with other arguments such as `on`, `patience` or `sample_weight` as before:"
    )  # fmt: skip
    facts = [(name, value) for name, value in facts if value]
    sentences = [terms.say(note) for note in notes]
    return Section("How it was trained", terms.say(Note(words)), facts=facts, notes=sentences, code=repeat)
