"""Where the user's cache folder is."""

from pathlib import Path

from shared.local.cache import cache_folder


def test_chosen_folder_comes_first() -> None:
    assert cache_folder({"SMSGW_CACHE_DIR": "/x/y", "XDG_CACHE_HOME": "/z"}) == Path("/x/y")


def test_xdg_folder_must_be_absolute() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/z"}, "linux") == Path("/z/smsgw")
    assert cache_folder({"XDG_CACHE_HOME": "z"}, "linux") == Path.home() / ".cache" / "smsgw"


def test_place_by_platform() -> None:
    assert cache_folder({}, "linux") == Path.home() / ".cache" / "smsgw"
    assert cache_folder({}, "darwin") == Path.home() / "Library" / "Caches" / "smsgw"
