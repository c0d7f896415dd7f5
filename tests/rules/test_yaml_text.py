"""YAML by events is what PyYAML makes of it, to the byte and to the value."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules import yaml_text

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["yes", "1", "1.5", "12:30", "2024-01-09", "~", "", "=", "- a", "a: b", "#"])
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=30,
)


class _WithoutAliases(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@given(_DOCUMENTS)
def test_a_document_is_written_as_pyyaml_writes_it(document: Any) -> None:
    written = yaml.dump(
        document, Dumper=_WithoutAliases, sort_keys=False, width=4096, allow_unicode=True
    )
    assert yaml_text.write(document) == written


@given(_DOCUMENTS)
def test_what_was_written_is_read_back(document: Any) -> None:
    assert yaml_text.read(yaml_text.write(document)) == document


def test_what_stands_twice_is_written_twice() -> None:
    shared = {"a": 1}
    assert yaml_text.write([shared, shared]) == "- a: 1\n- a: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "{a: [1, 2.5, yes, ~, 2024-01-09, 12:30, 0o7, 0x1F, .inf], 'b': \"1\"}",
        "a: &x {b: 1}\nc: *x\n",
        "a: &x {b: 1}\nc: {<<: *x, d: 2}\n",
        "a: !!str 3\nb: !!int '4'\n",
        "a: |\n  two\n  lines\nb: >\n  one\n  line\n",
        "a: 1\na: 2\n",
        "? 1\n: one\n? true\n: yes\n",
    ],
)
def test_a_text_is_read_as_pyyaml_reads_it(text: str) -> None:
    assert yaml_text.read(text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["a: b: c", "[1", "--- a\n--- b\n", "{[1]: 2}", "a: !unknown 1"])
def test_what_pyyaml_refuses_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)
    with pytest.raises(yaml.YAMLError):
        yaml_text.read(text)
