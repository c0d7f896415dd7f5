"""What fuzzing has found once stays found: every file of the corpus keeps the properties."""

from __future__ import annotations

from pathlib import Path

import pytest
from response_properties import check

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
MOST_FILES, MOST_BYTES = 200, 200_000


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name[:12])
def test_input_of_the_corpus_is_read_alike_in_whatever_pieces(file: Path) -> None:
    check(file.read_bytes())


def test_corpus_is_small() -> None:
    assert 0 < len(CORPUS) <= MOST_FILES
    assert sum(file.stat().st_size for file in CORPUS) <= MOST_BYTES
