"""Settings: every mistake in the environment at once, and never a secret in a message."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from exporter.settings import SettingsError, read_settings, read_urls
from model.redis import Redis
from model.targets import Postgres, Service

AUTH = Service(name="auth-service", port=3000)
TARGETS = (AUTH, Postgres(), Redis())
SECRET = "hunter2-do-not-print"


def settings_problems(**environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return caught.value.problems


def url_problems(**environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_urls(environment, TARGETS)
    return caught.value.problems


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("LOG_LEVEL", "loud"),
        ("PROMETHEUS_ALLOWED_IPS", "10.0.0.0/33"),
        ("PROMETHEUS_ALLOWED_IPS", "prometheus"),
        ("PROMETHEUS_ALLOWED_IPS", "10.0.0.1;10.0.0.2"),
        ("PROMETHEUS_ALLOWED_IPS", ","),
        ("METRICS_BASIC_AUTH", SECRET),
        ("METRICS_BASIC_AUTH", f"{SECRET}:"),
        ("METRICS_BASIC_AUTH", f":{SECRET}"),
    ],
)
def test_a_bad_value_is_one_problem_that_names_the_variable_and_no_secret(
    variable: str, value: str
) -> None:
    problems = settings_problems(**{variable: value})
    assert len(problems) == 1
    assert problems[0].startswith(f"{variable}: ")
    assert SECRET not in problems[0]


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    problems = settings_problems(
        PORT="http",
        LOG_LEVEL="loud",
        PROMETHEUS_ALLOWED_IPS="prometheus",
        METRICS_BASIC_AUTH_FILE=str(tmp_path / "missing"),
    )
    assert sorted(problem.partition(":")[0] for problem in problems) == [
        "LOG_LEVEL",
        "METRICS_BASIC_AUTH_FILE",
        "PORT",
        "PROMETHEUS_ALLOWED_IPS",
    ]


@pytest.mark.parametrize(("port", "accepted"), [("0", 0), ("1", 1), ("65535", 65535)])
def test_every_port_up_to_the_last_is_accepted(port: str, accepted: int) -> None:
    assert read_settings({"PORT": port}).port == accepted


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert settings_problems(METRICS_BASIC_AUTH_FILE=str(missing)) == [
        f"METRICS_BASIC_AUTH_FILE: cannot read {missing}: No such file or directory"
    ]


def test_a_secret_file_that_is_a_directory_is_named(tmp_path: Path) -> None:
    assert settings_problems(METRICS_BASIC_AUTH_FILE=str(tmp_path)) == [
        f"METRICS_BASIC_AUTH_FILE: cannot read {tmp_path}: Is a directory"
    ]


def test_a_secret_file_that_is_not_utf8_is_named_and_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET.encode() + b"\xff")
    assert settings_problems(METRICS_BASIC_AUTH_FILE=str(file)) == [
        f"METRICS_BASIC_AUTH_FILE: cannot read {file}: is not UTF-8 text"
    ]


def test_a_secret_given_twice_is_refused_because_one_of_them_is_not_meant(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"prometheus:{SECRET}")
    problems = settings_problems(
        METRICS_BASIC_AUTH=f"prometheus:{SECRET}", METRICS_BASIC_AUTH_FILE=str(file)
    )
    assert problems == [
        "METRICS_BASIC_AUTH: is set, and so is METRICS_BASIC_AUTH_FILE; unset one of them"
    ]


def test_settings_that_are_printed_keep_the_secret() -> None:
    settings = read_settings({"METRICS_BASIC_AUTH": f"prometheus:{SECRET}"})
    assert SECRET not in f"{settings!r} {settings}"


# --- good values --------------------------------------------------------------------------------


def test_nothing_set_means_the_defaults() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port, settings.log_level) == ("0.0.0.0", 3017, "info")
    assert settings.metrics_basic_auth is None


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    empty = {"PORT": "", "LOG_LEVEL": "", "PROMETHEUS_ALLOWED_IPS": "", "METRICS_BASIC_AUTH": ""}
    assert read_settings(empty) == read_settings({})


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("128.0.0.1", False),
        ("10.0.0.0", True),
        ("11.0.0.0", False),
        ("172.15.255.255", False),
        ("172.16.0.0", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.255.255", True),
        ("192.169.0.0", False),
        ("169.254.0.1", True),
        ("8.8.8.8", False),
        ("::1", True),
        ("::2", False),
        ("fd00::1", True),
        ("fe00::1", False),
        ("fe80::1", True),
        ("2001:db8::1", False),
    ],
)
def test_by_default_loopback_and_private_ranges_may_scrape_and_nobody_else(
    address: str, allowed: bool
) -> None:
    ip = ipaddress.ip_address(address)
    assert any(ip in network for network in read_settings({}).prometheus_allowed_ips) is allowed


def test_a_list_of_addresses_and_networks_replaces_the_default() -> None:
    settings = read_settings({"PROMETHEUS_ALLOWED_IPS": " 192.0.2.7, 10.1.2.3/8 ,,2001:db8::/32"})
    assert [str(network) for network in settings.prometheus_allowed_ips] == [
        "192.0.2.7/32",
        "10.0.0.0/8",
        "2001:db8::/32",
    ]


def test_a_log_level_may_be_in_capitals() -> None:
    assert read_settings({"LOG_LEVEL": "DEBUG"}).log_level == "debug"


def test_a_secret_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"prometheus:{SECRET}\n")
    found = read_settings({"METRICS_BASIC_AUTH_FILE": str(file)}).metrics_basic_auth
    assert found is not None
    assert found.get_secret_value() == f"prometheus:{SECRET}"


def test_only_secrets_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("80")
    assert read_settings({"PORT_FILE": str(file)}).port == 3017


# --- URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://root:{SECRET}@db/x",
        f"postgresql://root:{SECRET}@/x",
        f"postgresql://root:{SECRET}@db:port/x",
        f"postgresql://root:{SECRET}@db:99999/x",
        f"postgresql://root:{SECRET}[@db/x",
        f"postgresql://root:{SECRET}%zz@db/x",
        f"postgresql://root:{SECRET}%@db/x",
        f"postgresql://root:{SECRET} @db/x",
        f"root:{SECRET}@db/x",
        SECRET,
    ],
)
def test_a_database_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    problems = url_problems(DATABASE_URL=url)
    assert problems
    assert all(problem.startswith("DATABASE_URL: ") for problem in problems)
    assert SECRET not in "".join(problems)


def test_the_mistakes_of_all_urls_are_reported_at_once(tmp_path: Path) -> None:
    problems = url_problems(
        AUTH_SERVICE_URL="ftp://auth",
        DATABASE_URL="mysql://db",
        REDIS_URL_FILE=str(tmp_path / "missing"),
    )
    assert sorted(problem.partition(":")[0] for problem in problems) == [
        "AUTH_SERVICE_URL",
        "DATABASE_URL",
        "REDIS_URL_FILE",
    ]


def test_a_bad_url_in_a_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"redis+{SECRET}")
    problems = url_problems(REDIS_URL_FILE=str(file))
    assert len(problems) == 1
    assert SECRET not in problems[0]


def test_without_variables_every_target_has_the_configs_url() -> None:
    assert read_urls({}, TARGETS) == {target.name: target.url for target in TARGETS}


def test_the_environment_overrides_a_services_url_and_no_others() -> None:
    urls = read_urls({"AUTH_SERVICE_URL": "http://127.0.0.1:3000"}, TARGETS)
    assert urls["auth-service"] == "http://127.0.0.1:3000"
    assert urls["redis"] == Redis().url


def test_a_url_with_its_password_can_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"postgresql://monitoring:{SECRET}%25@db/monitoring_prod\n")
    urls = read_urls({"DATABASE_URL_FILE": str(file)}, TARGETS)
    assert urls["postgresql"] == f"postgresql://monitoring:{SECRET}%25@db/monitoring_prod"
