"""YAML by libyaml's events.

PyYAML makes a node of each value before it writes one and after it has read one, which takes most
of its time: unit tests of 1,000 services are half a million values.
"""

from __future__ import annotations

import io
from typing import Any

import yaml

_STRING = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


def write(document: Any) -> str:
    """A document's text: blocks, no aliases, lines of 4096 characters at most."""
    text = io.StringIO()
    _Writer(text).write(document)
    return text.getvalue()


def read(text: str) -> Any:
    """What yaml.safe_load makes of a text. Raises yaml.YAMLError."""
    loader = yaml.CSafeLoader(text)
    try:
        return _Reader(loader).document()
    except _UnusualError:
        return yaml.load(text, yaml.CSafeLoader)
    finally:
        loader.dispose()


class _Writer:
    def __init__(self, text: io.StringIO) -> None:
        self._dumper = yaml.CSafeDumper(text, width=4096, allow_unicode=True)
        # Each scalar's event; by its type as well, since 1 and True are the same key.
        self._scalars: dict[tuple[type, Any], yaml.ScalarEvent] = {}

    def write(self, document: Any) -> None:
        emit, scalars = self._dumper.emit, self._scalars
        mapping = yaml.MappingStartEvent(None, None, implicit=True, flow_style=False)
        sequence = yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False)
        mapping_end, sequence_end = yaml.MappingEndEvent(), yaml.SequenceEndEvent()

        def put(value: Any) -> None:
            if isinstance(value, dict):
                emit(mapping)
                for key, inner in value.items():
                    put(key)
                    put(inner)
                emit(mapping_end)
            elif isinstance(value, (list, tuple)):
                emit(sequence)
                for item in value:
                    put(item)
                emit(sequence_end)
            else:
                key = (type(value), value)
                event = scalars.get(key)
                if event is None:
                    event = scalars[key] = self._scalar(value)
                emit(event)

        emit(yaml.StreamStartEvent())
        emit(yaml.DocumentStartEvent(explicit=False))
        put(document)
        emit(yaml.DocumentEndEvent(explicit=False))
        emit(yaml.StreamEndEvent())

    def _scalar(self, value: Any) -> yaml.ScalarEvent:
        tag, text = _STRING, value
        if type(value) is not str:
            node = self._dumper.represent_data(value)
            tag, text = node.tag, node.value
        resolved = self._dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        return yaml.ScalarEvent(None, tag, (resolved == tag, tag == _STRING), text)


class _UnusualError(Exception):
    """Anchors, tags and what else generated files do not have: left to PyYAML."""


class _Reader:
    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self._loader = loader
        self._next = loader.get_event
        # What plain scalars stand for.
        self._plain: dict[str, Any] = {}

    def document(self) -> Any:
        self._next()  # the stream's start
        if not isinstance(self._next(), yaml.DocumentStartEvent):
            raise _UnusualError
        found = self._value(self._next())
        self._next()  # the document's end
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise _UnusualError
        return found

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
            raise _UnusualError
        if kind is yaml.ScalarEvent:
            text = event.value
            if not event.implicit[0]:
                return text
            return self._plain[text] if text in self._plain else self._scalar(text)
        return self._mapping() if kind is yaml.MappingStartEvent else self._sequence()

    def _mapping(self) -> dict[Any, Any]:
        following, value = self._next, self._value
        found = {}
        while type(event := following()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent:
                raise _UnusualError
            key = value(event)
            found[key] = value(following())
        return found

    def _sequence(self) -> list[Any]:
        following, value = self._next, self._value
        found = []
        while type(event := following()) is not yaml.SequenceEndEvent:
            found.append(value(event))
        return found

    def _scalar(self, text: str) -> Any:
        tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        if tag == _MERGE:
            raise _UnusualError
        node = yaml.ScalarNode(tag, text)
        self._plain[text] = text if tag == _STRING else self._loader.construct_object(node)
        return self._plain[text]
