"""Where programs are looked for, and what is said when they are nowhere."""

import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from programs import MissingProgramError, System, find, free_port, version
from programs.__main__ import main
from programs.sources import distribution


def script(path: Path, text: str = "echo fake 1.2.3") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def with_environment(system: System, **variables: str) -> System:
    return replace(system, environment={**system.environment, **variables})


def complaint(name: str, system: System) -> str:
    with pytest.raises(MissingProgramError) as caught:
        find(name, system)
    text = str(caught.value)
    assert "\n" not in text
    return text


def unreachable_archive(apt: Path) -> Path:
    """The system's release on a port where nobody listens."""
    codename = distribution(System()).codename
    apt.mkdir()
    uri = f"http://127.0.0.1:{free_port()}/archive"
    (apt / "sources.list").write_text(f"deb {uri} {codename} main\n")
    return apt


def test_a_variable_that_names_no_file_is_an_error_and_nothing_else_is_tried(bare: System) -> None:
    text = complaint("promtool", with_environment(bare, PROMTOOL="/nowhere/promtool"))
    assert "PROMTOOL=/nowhere/promtool" in text
    assert "correct PROMTOOL or unset it" in text


def test_a_variable_that_names_a_file_which_does_not_execute_is_an_error(
    bare: System, place: Path
) -> None:
    plain = place / "redis-server"
    plain.write_text("")
    assert str(plain) in complaint("redis-server", with_environment(bare, REDIS_SERVER=str(plain)))


def test_a_postgres_directory_without_postgres_is_an_error(bare: System, place: Path) -> None:
    text = complaint("initdb", with_environment(bare, POSTGRES_BIN=str(place)))
    assert f"{place}/initdb" in text


def test_without_apt_get_one_line_says_what_is_missing_and_how_to_get_it(bare: System) -> None:
    text = complaint("prometheus", with_environment(bare, PATH=""))
    assert text == (
        "prometheus is not on the PATH and could not be fetched: there is no apt-get; install "
        "Debian's package prometheus, put prometheus on the PATH, or name it in PROMETHEUS"
    )


@pytest.mark.usefixtures("debian")
def test_without_apt_sources_one_line_says_so(bare: System, place: Path) -> None:
    text = complaint("redis-cli", replace(bare, apt=place / "empty"))
    assert f"the apt sources in {place}/empty name no archive of" in text
    assert "packages redis-server and redis-tools" in text


@pytest.mark.usefixtures("debian")
def test_with_an_unreachable_archive_one_line_gives_apts_reason(bare: System, place: Path) -> None:
    text = complaint("amtool", replace(bare, apt=unreachable_archive(place / "apt")))
    assert re.search(r"could not be fetched: Failed to fetch http://127\.0\.0\.1:\d+/", text)
    assert not list((place / "cache").rglob("prometheus-alertmanager*"))
    assert not list((place / "cache").rglob(".unfinished-*"))


def test_on_another_distribution_one_line_says_so(bare: System, place: Path) -> None:
    release = place / "os-release"
    release.write_text('ID=fedora\nPRETTY_NAME="Fedora"\n')
    text = complaint("alertmanager", replace(bare, os_release=release))
    assert "packages are fetched only on Debian and Ubuntu, this is fedora" in text


@pytest.mark.usefixtures("debian")
def test_a_cache_that_others_can_write_is_refused(bare: System, place: Path) -> None:
    (place / "cache").mkdir()
    (place / "cache").chmod(0o777)
    assert "can be written by others" in complaint("promtool", bare)


@pytest.mark.usefixtures("debian")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_cache_of_somebody_else_is_refused(bare: System, place: Path) -> None:
    (place / "cache").mkdir()
    os.chown(place / "cache", 65534, 65534)
    assert f"the cache {place}/cache belongs to user 65534" in complaint("promtool", bare)


@pytest.mark.usefixtures("debian")
def test_a_cache_that_cannot_be_made_is_one_line(bare: System, place: Path) -> None:
    (place / "cache").write_text("a file")
    assert f"the cache {place}/cache cannot be" in complaint("promtool", bare)


def test_a_variable_goes_before_the_path(bare: System, place: Path) -> None:
    script(place / "installed" / "prometheus")
    mine = script(place / "mine" / "prometheus-3")
    assert find("prometheus", with_environment(bare, PROMETHEUS=str(mine))) == mine


def test_the_path_goes_before_fetching(bare: System, place: Path) -> None:
    there = script(place / "installed" / "prometheus")
    assert find("prometheus", bare) == there


def test_alertmanager_is_also_known_by_debians_name(bare: System, place: Path) -> None:
    there = script(place / "installed" / "prometheus-alertmanager")
    assert find("alertmanager", bare) == there


def test_one_that_is_too_old_is_not_taken(bare: System, place: Path) -> None:
    old = script(place / "installed" / "docker-compose", "echo docker-compose version 1.29.2")
    assert "docker-compose is not on the PATH" in complaint(
        "docker-compose", replace(bare, os_release=place / "none")
    )
    script(old, "echo Docker Compose version 2.0.0")
    assert find("docker-compose", bare) == old


@pytest.mark.parametrize("text", ["exit 1", "echo no number"])
def test_one_that_does_not_tell_how_old_it_is_is_not_taken(
    bare: System, place: Path, text: str
) -> None:
    script(place / "installed" / "docker-compose", text)
    complaint("docker-compose", replace(bare, os_release=place / "none"))


def test_the_newest_complete_postgres_off_the_path_is_taken(bare: System, place: Path) -> None:
    for release, names in {
        "9": ("initdb", "postgres", "psql"),
        "15": ("initdb", "postgres", "psql"),
        "17": ("psql",),
    }.items():
        for name in names:
            script(place / "postgresql" / release / "bin" / name)
    system = replace(bare, postgresql=place / "postgresql")
    assert find("psql", system) == place / "postgresql" / "15" / "bin" / "psql"


def test_a_psql_alone_on_the_path_is_not_taken_for_postgres(bare: System, place: Path) -> None:
    script(place / "installed" / "psql")
    for name in ("initdb", "postgres", "psql"):
        script(place / "postgresql" / "15" / "bin" / name)
    system = replace(bare, postgresql=place / "postgresql")
    assert find("psql", system) == place / "postgresql" / "15" / "bin" / "psql"


def test_a_program_that_fails_to_tell_its_version_is_named(place: Path) -> None:
    broken = script(place / "broken", "echo 'libx.so.1: not found'; exit 127")
    with pytest.raises(MissingProgramError, match=r"broken --version ends with 127: libx\.so\.1"):
        version(broken)


def test_the_version_is_the_number_alone(place: Path) -> None:
    text = "echo 'prometheus, version 2.42.0+ds (branch: x)'; echo '  go version: go1.19'"
    assert version(script(place / "prometheus", text)) == "2.42.0"


def test_the_command_prints_the_error_alone_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROMTOOL", "/nowhere")
    assert main(["--path", "promtool"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("PROMTOOL=/nowhere: ")
    assert output.err.count("\n") == 1


def test_the_command_prints_one_line_per_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"prometheus", "promtool", "alertmanager", "amtool", "postgres"} < set(names)
    for line in lines:
        _, number, path = line.split()
        assert re.fullmatch(r"[\d.]+", number)
        assert Path(path).stat().st_mode & stat.S_IXOTH


def test_what_only_tests_need_is_left_out_for_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--for-demo"]) == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"prometheus", "postgres", "redis-server"} <= names
    assert not {"chromium", "jq", "nginx"} & names


def test_the_command_prints_a_path_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--path", "promtool"]) == 0
    assert version(Path(capsys.readouterr().out.rstrip("\n")))
