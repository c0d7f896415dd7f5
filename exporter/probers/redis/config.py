"""What only CONFIG tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.probers.failure import clean
from exporter.probers.redis.fields import CONFIG, CONFIG_PATTERNS
from exporter.probers.redis.protocol import Refusal, Reply, text_of
from exporter.probers.redis.server import Answer
from exporter.probers.result import Sample
from model import names

_LIMITS = "client-output-buffer-limit"


class ConfigReader:
    """Asks for the settings that are metrics, and reads them; `command` is None not to ask.

    It asks for no more than these: among the others are passwords.
    """

    def __init__(self, command: str | None) -> None:
        self.commands: tuple[tuple[str, ...], ...] = ()
        if command is not None:
            self.commands = tuple((command, "GET", pattern) for pattern in CONFIG_PATTERNS)
        self._last: list[str | None] = []
        self._samples: tuple[Sample, ...] = ()

    def read(self, answer: Answer, replies: Sequence[Reply]) -> None:
        """Take the samples of the replies; what CONFIG says goes before what INFO says."""
        if not self.commands:
            return
        refusal = next((reply for reply in replies if isinstance(reply, Refusal)), None)
        if refusal is not None:
            answer.complaints.append(f"CONFIG was refused: {refusal.text}")
            return
        settings = [text_of(one) for reply in replies if isinstance(reply, list) for one in reply]
        if not any(settings) or len(replies) < len(self.commands):
            answer.complaints.append("CONFIG was answered with something else than settings")
            return
        if settings != self._last:
            self._last, self._samples = settings, tuple(_samples(settings))
        if any(sample.metric is names.REDIS_CONFIG_MAXCLIENTS for sample in self._samples):
            answer.samples[:] = [
                sample
                for sample in answer.samples
                if sample.metric is not names.REDIS_CONFIG_MAXCLIENTS
            ]
        answer.samples += self._samples
        answer.collected["config"] = True


def _samples(settings: Sequence[str | None]) -> list[Sample]:
    found: dict[str, Sample] = {}
    limits: list[Sample] = []
    for name, value in zip(settings[::2], settings[1::2], strict=False):
        metric = CONFIG.get(name or "")
        if metric is not None and _is_number(value):
            found[metric.name] = Sample(metric, (), float(value or 0))
        elif name == _LIMITS:
            limits = list(_buffer_limits((value or "").split()))
    return [*found.values(), *limits]


def _buffer_limits(words: Sequence[str]) -> Iterator[Sample]:
    """Of each class of clients: the hard limit, the soft one, and how long that may be exceeded."""
    for place in range(0, len(words) - 3, 4):
        kind, *limits = words[place : place + 4]
        if not all(map(_is_number, limits)):
            continue
        hard, soft, seconds = map(float, limits)
        label = clean(kind)
        yield Sample(names.REDIS_CONFIG_BUFFER_LIMIT, (label, "hard"), hard)
        yield Sample(names.REDIS_CONFIG_BUFFER_LIMIT, (label, "soft"), soft)
        yield Sample(names.REDIS_CONFIG_BUFFER_LIMIT_OVERCOME, (label, "soft"), seconds)


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit()
