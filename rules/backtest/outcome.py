"""What a backtest has found: the replay of each variant, and what people made of what fired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rules.backtest.asked import Asked, Settings
from rules.backtest.clock import Clock, Firing
from rules.backtest.judged import Seen, judgement
from rules.backtest.ledger import Judgement
from rules.backtest.prometheus import Labels
from rules.backtest.replay import Span
from rules.backtest.suggestion import Suggestion


@dataclass(frozen=True)
class Variant:
    """An alert with some settings, and when it would have fired, the earliest first.

    `told` are the ledger's episodes, each with the firings that it overlaps; None without a ledger.
    """

    name: str
    settings: Settings
    firings: Sequence[Firing]
    told: Sequence[Seen] | None

    def judged(self, firing: Firing) -> Judgement:
        """What people made of a firing."""
        return judgement(firing, self.told or ())

    def seen(self, judged: Judgement) -> list[Seen]:
        """The episodes of a judgement that it has fired in."""
        return [one for one in self._of(judged) if one.firings]

    def missed(self, judged: Judgement) -> list[Seen]:
        """The episodes of a judgement that it has not fired in."""
        return [one for one in self._of(judged) if not one.firings]

    def _of(self, judged: Judgement) -> list[Seen]:
        return [one for one in self.told or () if one.episode.judgement is judged]


@dataclass(frozen=True)
class Drawn:
    """The values for a picture: of each label set by tick, each the extreme of `stride` ticks."""

    stride: int
    lines: Mapping[Labels, Mapping[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A backtest. `window` is what was asked about, `clock` what is known of it.

    `variants` are today's, then what was proposed, then what is suggested, if there are such.
    `condition` is the expression as it was asked, `notes` what a reader has to know.
    """

    asked: Asked
    title: str
    condition: str
    clock: Clock
    window: Span
    variants: Sequence[Variant]
    suggestion: Suggestion | None
    drawn: Drawn | None
    notes: Sequence[str]

    @property
    def today(self) -> Variant:
        """The alert as the config has it."""
        return self.variants[0]

    def lasted(self, firing: Firing) -> timedelta:
        """For how long a firing is known to have fired within the window."""
        return self.clock.grid.length(self.clock.count(firing.span.cut(self.window)))
