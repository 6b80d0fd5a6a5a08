"""Free text as words, in the way of `keras.layers.TextVectorization`."""

import re
from collections import Counter

import numpy as np

# The expression of Keras for punctuation.
_PUNCTUATION = re.compile(rb"""[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']""")
MAX_WORDS = 1000
MAX_LENGTH = 100
LEAST_WORDS = 3  # of a cell, on average; names and codes have fewer
PAD, UNKNOWN, FIRST = 0, 1, 2  # tokens: nothing, a rare or unseen word, the first word


def split_words(cell: str) -> list[bytes]:
    """Return the words of a text, in lower case (of ASCII letters) and without punctuation.

    >>> split_words("It's GREAT -- really")
    [b'its', b'great', b'really']
    """
    return _PUNCTUATION.sub(b"", cell.encode().lower()).split()


def are_sentences(cells: np.ndarray) -> bool:
    """Whether cells (n,) hold sentences: several words each."""
    texts = [cell for cell in cells.tolist() if cell]
    return sum(len(split_words(cell)) for cell in texts) >= LEAST_WORDS * len(texts)


def find_words(cells: np.ndarray, min_count: int) -> tuple[tuple[str, ...], int]:
    """Return the most frequent words in at least `min_count` cells, and the number of words of a long cell."""
    found = [split_words(cell) for cell in cells.tolist()]
    counts = Counter(word for words in found for word in sorted(set(words)))
    words = [word.decode() for word, count in counts.most_common(MAX_WORDS) if min_count <= count < len(cells)]
    return tuple(words), min(MAX_LENGTH, max(1, *map(len, found)))


def encode_tokens(cells: np.ndarray, words: tuple[str, ...], length: int) -> np.ndarray:
    """Return the numbers of the first words, (n, length) int32, filled up with `PAD`. The first is never `PAD`."""
    numbers = {word.encode(): number for number, word in enumerate(words, FIRST)}
    found = np.full((len(cells), length), PAD, np.int32)
    for row, cell in enumerate(cells.tolist()):
        token_numbers = [numbers.get(word, UNKNOWN) for word in split_words(cell)[:length]]
        found[row, : len(token_numbers)] = token_numbers
    found[:, 0] = np.maximum(found[:, 0], UNKNOWN)
    return found


def count_without_words(cells: np.ndarray, words: tuple[str, ...]) -> int:
    """Count the cells that have text, but none of the words.

    >>> count_without_words(np.array(["a house", "un chateau", ""], object), ("house",))
    1
    """
    vocabulary = {word.encode() for word in words}
    return sum(1 for cell in cells.tolist() if cell and vocabulary.isdisjoint(split_words(cell)))


def encode_bag_of_words(cells: np.ndarray, words: tuple[str, ...]) -> np.ndarray:
    """Return whether each cell has each word, (n, len(words)) float32."""
    places = {word.encode(): place for place, word in enumerate(words)}
    found = np.zeros((len(cells), len(words)), np.float32)
    for row, cell in enumerate(cells.tolist()):
        found[row, [places[word] for word in split_words(cell) if word in places]] = 1
    return found
