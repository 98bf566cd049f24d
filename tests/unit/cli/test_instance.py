"""Pure: the instance id of an `up` that nobody gave one."""

from pathlib import Path

import pytest

from services.cli.up.instance import first_free, id_of_place
from shared.process.settings import Settings


def test_a_place_has_the_same_id_every_time_and_another_place_another() -> None:
    here = id_of_place("laptop", Path("/home/a/.smsgw"))
    assert here == id_of_place("laptop", Path("/home/a/.smsgw"))
    assert here.startswith("laptop-")
    others = [id_of_place("laptop", Path("/home/b/.smsgw")), id_of_place("desktop", Path("/home/a/.smsgw"))]
    assert len({here, *others}) == 3


@pytest.mark.parametrize("host", ["h" * 250, "-._", "", "naïve host/1", "a.b.example.com"])
def test_whatever_the_host_is_called_the_id_is_one(host: str) -> None:
    made = first_free(id_of_place(host, Path("/x")), {id_of_place(host, Path("/x"))})
    assert Settings(kafka_bootstrap_servers="h:1", instance=made).instance == made


def test_a_second_one_of_the_same_place_gets_a_number() -> None:
    assert [first_free("a", used) for used in (set(), {"a"}, {"a", "a.2"}, {"a.2"})] == ["a", "a.2", "a.3", "a"]
