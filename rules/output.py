"""How generated files look: deterministic to the byte, with a header that says what they are."""

from __future__ import annotations

import io
from typing import Any

import yaml

HEADER = "generated from config.py by make rules; changes by hand are lost"

# Path below the output directory to the file's whole text.
Files = dict[str, str]

_STRING = "tag:yaml.org,2002:str"


def yaml_file(document: Any) -> str:
    """A YAML file with the header, without aliases."""
    text = io.StringIO()
    _Writer(text).write(document)
    return f"# {HEADER}\n{text.getvalue()}"


class _Writer:
    """Hands a document to libyaml, a value an event.

    yaml.dump makes a node of each value first, which takes four times as long.
    """

    def __init__(self, text: io.StringIO) -> None:
        self._dumper = yaml.CSafeDumper(text, width=4096, allow_unicode=True)
        self._scalars: dict[tuple[type, Any], yaml.ScalarEvent] = {}
        self._mapping = yaml.MappingStartEvent(None, None, implicit=True, flow_style=False)
        self._sequence = yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False)
        self._mapping_end, self._sequence_end = yaml.MappingEndEvent(), yaml.SequenceEndEvent()

    def write(self, document: Any) -> None:
        """Write one document."""
        emit = self._dumper.emit
        emit(yaml.StreamStartEvent())
        emit(yaml.DocumentStartEvent(explicit=False))
        self._value(document)
        emit(yaml.DocumentEndEvent(explicit=False))
        emit(yaml.StreamEndEvent())

    def _value(self, value: Any) -> None:
        emit = self._dumper.emit
        if isinstance(value, dict):
            emit(self._mapping)
            for key, inner in value.items():
                self._value(key)
                self._value(inner)
            emit(self._mapping_end)
        elif isinstance(value, (list, tuple)):
            emit(self._sequence)
            for item in value:
                self._value(item)
            emit(self._sequence_end)
        else:
            # True and 1 are the same key otherwise.
            key = (type(value), value)
            event = self._scalars.get(key)
            if event is None:
                event = self._scalars[key] = self._scalar(value)
            emit(event)

    def _scalar(self, value: Any) -> yaml.ScalarEvent:
        node = self._dumper.represent_data(value)
        resolved = self._dumper.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
        is_plain = resolved == node.tag
        return yaml.ScalarEvent(None, node.tag, (is_plain, node.tag == _STRING), node.value)
