"""What the doctor hands back: findings, and a report that prints them."""

import textwrap
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

_WIDTH = 110
_SHOWN = 3  # weights named on the first line of a finding


@dataclass(frozen=True)
class Finding:
    """One thing that a model's regularization does, and that its owner may not know.

    Attributes:
        severity: "error" where what was asked for does not happen, "warning" where something is probably not meant,
            "note" where something is to be known.
        code: its short name; the documentation has a line for each.
        about: the paths of the weights or layers, or what else it is about.
        why: why it matters, with this model's numbers.
        fix: Python that puts it right, with `model`, `keras` and `sh` at hand.
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
        findings: what was found.
        not_seen: what the checks could not look at.
    """

    model: str
    findings: tuple[Finding, ...]
    not_seen: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that say that something asked for does not happen."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings about what is probably not meant."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings about what is to be known."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def __repr__(self) -> str:
        counts = [_count(len(self._of(severity)), severity) for severity in SEVERITIES]
        seen = [f"Not looked at: {', '.join(self.not_seen)}."] if self.not_seen else []
        return "\n\n".join([f"{self.model}: {', '.join(counts)}", *map(str, self.findings), *seen])


def _count(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"
