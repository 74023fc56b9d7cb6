"""Settings: valid values are read, and others are refused with their name."""

from dataclasses import fields
from pathlib import Path

import pytest

from build_admin.settings import Settings, SettingsError
from service import ROOT


def test_unset_and_empty_variables_have_their_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"BUILD_ADMIN_THREADS": "", "BUILD_ADMIN_LISTEN": " "}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATA", "elsewhere", {"data": Path("elsewhere")}),
        ("LISTEN", "0.0.0.0:80", {"listen": ("0.0.0.0", 80)}),
        ("LISTEN", "[::1]:8080", {"listen": ("::1", 8080)}),
        ("THREADS", "64", {"threads": 64}),
        ("LOG_FORMAT", "JSON", {"log_format": "json"}),
        ("LOG_LEVEL", "debug", {"log_level": "DEBUG"}),
        ("GRACE", "0", {"grace": 0}),
    ],
)
def test_a_value_is_read(name: str, value: str, expected: dict[str, object]) -> None:
    settings = Settings.from_environment({f"BUILD_ADMIN_{name}": value})
    assert {key: getattr(settings, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "8080"),
        ("LISTEN", "localhost"),
        ("LISTEN", "localhost:65536"),
        ("LISTEN", "::1:8080"),
        ("THREADS", "0"),
        ("THREADS", "many"),
        ("THREADS", "4.5"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "LOUD"),
        ("TRUSTED_PROXY", "proxy.example.com"),
        ("GRACE", "-1"),
        ("THREAD", "4"),
        ("DATABASE", "x"),
    ],
)
def test_an_invalid_value_or_an_unknown_variable_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^BUILD_ADMIN_{name} "):
        Settings.from_environment({f"BUILD_ADMIN_{name}": value})


def test_the_repr_of_the_settings_has_no_secrets() -> None:
    secret = "a secret of more than thirty-two bytes"
    settings = Settings(signing_key=secret, previous_signing_key=secret, database_url=f"postgresql://a:{secret}@b/c")
    assert secret not in repr(settings)


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    source = (ROOT / "settings.py").read_text(encoding="utf-8")
    for setting in fields(Settings):
        name = f"BUILD_ADMIN_{setting.name.upper()}"
        row = next((line for line in reference.splitlines() if line.startswith(f"| `{name}`")), "")
        assert row, f"{name} is not in docs/reference.md"
        assert f"# {name}: " in source
        if isinstance(setting.default, int):
            assert f"| `{setting.default}` |" in row
