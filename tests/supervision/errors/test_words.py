"""Words of texts, and what is asked for to find them."""

import pytest

from supervision.errors.words import MOST_WORD, MOST_WORDS, around, beginning_with, vector_of


@pytest.mark.parametrize(
    ("text", "vector"),
    [
        ("", ""),
        ("?! _", ""),
        ("get_user", "'get':1 'user':2"),
        ("shop/api@2: x", "'2':3 'api':2 'shop':1 'x':4"),
        ("KeyError: 'a'", "'a':3 'error':2 'key':1 'keyerror':1,2"),
        ("HTTPServer2", "'http':1 'httpserver2':1,2 'server2':2"),
        ("getUserID7", "'get':1 'getuserid7':1,3 'id7':3 'user':2"),
        ("f17 17 f17", "'17':2 'f17':1,3"),
        ("ЖЁЛТЫЙ Дом", "'дом':2 'жёлтый':1"),
    ],
)
def test_a_text_is_cut_into_words(text: str, vector: str) -> None:
    assert vector_of([text]) == vector


def test_texts_do_not_stand_beside_each_other() -> None:
    assert vector_of(["get", "user"]) == "'get':1 'user':3"


def test_long_words_and_texts_are_cut() -> None:
    assert vector_of(["x" * 500]) == f"'{'x' * MOST_WORD}':1"
    assert len(vector_of(["a b " * 5000]).split(",")) <= MOST_WORDS + 1


@pytest.mark.parametrize(
    ("word", "query"),
    [
        ("user", "('user':*)"),
        ("get_us", "('get' <-> 'us':*)"),
        ("KeyErr", "('keyerr':* | 'key' <-> 'err':*)"),
        ("shop.KeyError", "('shop' <-> 'keyerror':* | 'shop' <-> 'key' <-> 'error':*)"),
        ("it's", "('it' <-> 's':*)"),
        ("!|&':*", ""),
    ],
)
def test_a_word_is_asked_for_by_its_beginning(word: str, query: str) -> None:
    assert beginning_with(word) == query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("order 7", "'7':*"),
        ("for order 7!", "'order' & '7'"),
        ("of KeyErr", "'keyerr':*"),
        ("order ", ""),
        ("': *", ""),
    ],
)
def test_around_a_text_are_its_words_but_for_the_first(text: str, query: str) -> None:
    assert around(text) == query
