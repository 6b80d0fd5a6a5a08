"""`Finding`: a fact about a model or a path, with its evidence and the next step as code."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

_WIDTH = 110
_MAX_NAMES = 3  # names on the first line of a finding


@dataclass(frozen=True)
class Finding:
    """A finding of `doctor` about the regularization of a model, or of `path.diagnose` about a path.

    Attributes:
        severity: "error" if a requested penalty does not act, or if a path has no choice; "warning" if something should
            be changed; "note" for a fact.
        code: the short name, such as "bias-penalised" or "overfits"; docs/doctor.md and docs/diagnosis.md list all.
        about: the paths of weights, names of layers, callbacks or logs, or folds; empty if it is about the whole.
        sentence: the finding in words, with its numbers.
        fix: the next step as Python code, which uses `model`, `keras` and `sh`, and for a path also `path`, `x`, `y`,
            `groups` and `np`; empty if there is nothing to do.
        evidence: the numbers behind a finding about a path, by name. "low" and "high" are the 95 % interval of the
            number that is named first.
    """

    severity: Severity
    code: str
    about: tuple[str, ...]
    sentence: str
    fix: str
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        more = len(self.about) - _MAX_NAMES
        about = ", ".join(self.about[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
        first = ": ".join(filter(None, [self.severity, self.code, about]))
        words = textwrap.fill(self.sentence, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(filter(None, [first, words, textwrap.indent(self.fix, "      ")]))
