"""The result of the doctor: findings, and a report that prints them."""

import textwrap
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

_WIDTH = 110
_SHOWN = 3  # weights named on the first line of a finding


@dataclass(frozen=True)
class Finding:
    """A fault of a model's regularization, or a fact about it.

    Attributes:
        severity: "error" if a requested penalty does not act, "warning" if something is probably unintended, "note" for
            a fact.
        code: the short name, such as "bias-penalised"; docs/doctor.md lists all.
        about: the paths of weights, or the names of layers, callbacks or logs.
        why: the reason, with the numbers of this model.
        fix: the fix as Python code, which uses `model`, `keras` and `sh`.
    """

    severity: Severity
    code: str
    about: tuple[str, ...]
    why: str
    fix: str

    def __str__(self) -> str:
        more = len(self.about) - _SHOWN
        about = ", ".join(self.about[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        why = textwrap.fill(self.why, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        return f"{self.severity}: {self.code}: {about}\n{why}\n{textwrap.indent(self.fix, '      ')}"


@dataclass(frozen=True, repr=False)
class Report:
    """The findings about one model, errors first; printed as text.

    Attributes:
        model: the model's name.
        findings: all findings, a tuple.
        not_seen: the parts that the checks could not look at.
    """

    model: str
    findings: tuple[Finding, ...]
    not_seen: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of severity "error"."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings of severity "warning"."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings of severity "note"."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def __repr__(self) -> str:
        counts = [_count(len(self._of(severity)), severity) for severity in SEVERITIES]
        seen = [f"Not looked at: {', '.join(self.not_seen)}."] if self.not_seen else []
        return "\n\n".join([f"{self.model}: {', '.join(counts)}", *map(str, self.findings), *seen])


def _count(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"
