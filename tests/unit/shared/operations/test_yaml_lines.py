"""Pure: YAML as data with lines."""

import pytest

from shared.operations.config.yaml_lines import DEPTH_MAX, PARTS_MAX, Mistake, read_yaml, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False),
        ("7", 7), ("-7", -7), ("+7", 7), ("0", 0), ("0x14", 20), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
        # what YAML 1.1 makes numbers, booleans or dates of
        ("0044", "0044"), ("12:30", "12:30"), ("1_000", "1_000"), ("no", "no"), ("off", "off"), ("y", "y"),
        ("2024-06-01", "2024-06-01"), (".inf", ".inf"), ("9" * 40, "9" * 40), ("0o7", "0o7"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_scalars(text: str, value: object) -> None:
    found = scalar(text, plain=True)
    assert found == value
    assert type(found) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert read_yaml("""{a: "7", b: 'true', c: "", d: !!str x}""").data == {"a": "7", "b": "true", "c": "", "d": "x"}


def test_keys_are_text_as_written() -> None:
    assert read_yaml("{0x14: a, 8: b, on: c, 1.0: d}").data == {"0x14": "a", "8": "b", "on": "c", "1.0": "d"}


def test_lines_are_those_of_keys_and_items() -> None:
    document = read_yaml("a: 1\nb:\n  - x\n  -\n    c:\n      d: 5\n")
    assert document.mistakes == []
    wanted = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 5, ("b", 1, "c"): 5, ("b", 1, "c", "d"): 6}
    assert {path: document.line(path) for path in wanted} == wanted
    assert document.line(("b", 1, "c", "absent", 7)) == 5


def test_merge_keys_give_what_the_mapping_does_not_have() -> None:
    document = read_yaml("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n")
    assert document.data["z"] == {"a": 1, "b": 1, "c": 3}
    assert document.line(("z", "c")) == 4
    assert document.line(("z", "a")) == 1


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("a: [1\nb: 2", 2, "", "not YAML: expected ',' or ']', but got ':'"),
        ("a: 1\nb: \x01", 2, "", "not YAML: character U+0001"),
        ("a: 1\n---\nb: 2", 2, "", "not YAML: but found another document"),
        ('a: "\\U00110000"', 0, "", "not YAML: an escaped character or a version that does not exist"),
        ("[" * 1200, 0, "", "is nested too deeply"),
        ("a: 1\nb: 2\na: 3", 3, "a", "is given twice"),
        ("? [1, 2]\n: x", 1, "", "a key must be text"),
        (
            "a:\n  b: !!timestamp 2024-06-01",
            2,
            "a.b",
            "has the tag tag:yaml.org,2002:timestamp; tags are not used here",
        ),
        ("a: !python/object x", 1, "a", "has the tag !python/object; tags are not used here"),
        ("a: &a\n  - *a", 1, "a[0]", "contains itself"),
        ("a: &a\n  <<: *a", 1, "a", "contains itself"),
        ("a:\n  <<: 5", 2, "a", "<< takes a mapping, or a list of them"),
        ('a: "\\uD800"', 1, "a", "holds half of a surrogate pair, which is no character"),
    ],
)
def test_mistakes_have_their_place(text: str, line: int, key: str, problem: str) -> None:
    (mistake,) = read_yaml(text).mistakes
    assert (mistake.line, mistake.key, mistake.problem) == (line, key, problem)


def test_depth_is_limited() -> None:
    assert read_yaml("[" * DEPTH_MAX + "]" * DEPTH_MAX).mistakes == []
    (mistake,) = read_yaml("[" * (DEPTH_MAX + 2) + "]" * (DEPTH_MAX + 2)).mistakes
    assert mistake.problem == "is nested too deeply"


@pytest.mark.parametrize("item", ["[{0}]", "{{<<: [{0}]}}"])
def test_aliases_cannot_multiply_without_end(item: str) -> None:
    levels = (f"a{n}: &a{n} " + item.format(", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 12))
    document = read_yaml("\n".join(("a0: &a0 {x: 1}", *levels)))
    assert [m.problem for m in document.mistakes] == ["is too much"]
    assert len(document.lines) <= PARTS_MAX * 2


def test_what_a_file_says_cannot_steer_a_terminal() -> None:
    assert str(Mistake(1, "\x1b[31mkey\u202e", "is unknown")) == r"line 1, \x1b[31mkey\u202e: is unknown"
