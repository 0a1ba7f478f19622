"""The settings: their sources, what stops the start, and that the page about them is true."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from api.settings import FILE_NAME, Settings, SettingsError, is_loopback, load, variable

ROOT = Path(__file__).parents[2]


def read(environment: dict[str, str] | None = None, **flags: object) -> Settings:
    return load(flags, environment=environment or {}, hostname="node-1")


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_alone_make_a_loopback_server() -> None:
    settings = read()
    assert settings.endpoint == "http://127.0.0.1:8014"
    assert settings.data == Path("keytrail-data")
    assert settings.root_key_file == Path("keytrail-data/root.key")
    assert settings.node == "node-1"


def test_the_root_key_file_follows_the_data_directory(tmp_path: Path) -> None:
    assert read(data=tmp_path).root_key_file == tmp_path / "root.key"


def test_settings_never_change_once_read() -> None:
    with pytest.raises(AttributeError):
        read().port = 1  # type: ignore[misc]


def test_a_file_in_the_data_directory_is_read(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, 'port = 9000\nnode = "blue"\nappend_deadline_s = 2\n')
    settings = read(data=tmp_path)
    assert (settings.port, settings.node, settings.append_deadline_s) == (9000, "blue", 2.0)


def test_the_data_directory_of_a_variable_is_searched_too(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, "port = 9000\n")
    assert read({"KEYTRAIL_DATA": str(tmp_path)}).port == 9000


def test_variables_override_the_file_and_flags_override_variables(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, "port = 9000\nqueue_limit = 1\nunsealed_keys = 1\n")
    environment = {"KEYTRAIL_PORT": "9001", "KEYTRAIL_QUEUE_LIMIT": "2"}
    settings = read(environment, data=tmp_path, port=9002)
    assert (settings.port, settings.queue_limit, settings.unsealed_keys) == (9002, 2, 1)


def test_a_flag_that_was_not_given_overrides_nothing() -> None:
    assert read({"KEYTRAIL_PORT": "9001"}, port=None).port == 9001


def test_paths_in_the_file_start_at_the_file(tmp_path: Path) -> None:
    config = written(tmp_path / "other.toml", 'data = "data"\nroot_key_file = "/run/root.key"\n')
    settings = load({}, environment={}, hostname="node-1", config=config)
    assert settings.data == tmp_path / "data"
    assert settings.root_key_file == Path("/run/root.key")


def test_a_named_file_replaces_the_one_in_the_data_directory(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, "port = 9000\n")
    config = written(tmp_path / "other.toml", "queue_limit = 7\n")
    settings = load({"data": tmp_path}, environment={}, hostname="node-1", config=config)
    assert (settings.port, settings.queue_limit) == (8014, 7)


def test_a_file_found_through_the_data_directory_cannot_move_it(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, 'data = "elsewhere"\n')
    with pytest.raises(SettingsError, match="cannot set `data`"):
        read(data=tmp_path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load({}, environment={}, hostname="node-1", config=tmp_path / "missing.toml")


def test_a_file_must_be_toml(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, "port: 9000\n")
    with pytest.raises(SettingsError, match="is not TOML"):
        read(data=tmp_path)


def test_an_unknown_key_stops_the_start_and_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path / FILE_NAME, "queue_limits = 5\n")
    with pytest.raises(SettingsError, match=r"`queue_limits` in .* The nearest is queue_limit\."):
        read(data=tmp_path)


def test_an_unknown_variable_stops_the_start_and_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"KEYTRAIL_PROT .* The nearest is KEYTRAIL_PORT\."):
        read({"KEYTRAIL_PROT": "1"})


def test_variables_of_others_are_left_alone() -> None:
    assert read({"PORT": "1", "AWS_PROFILE": "x"}) == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEYTRAIL_PORT", "many"),
        ("KEYTRAIL_PORT", "65536"),
        ("KEYTRAIL_PORT", "-1"),
        ("KEYTRAIL_INSECURE", "maybe"),
        ("KEYTRAIL_APPEND_DEADLINE_S", "0"),
        ("KEYTRAIL_APPEND_DEADLINE_S", "nan"),
        ("KEYTRAIL_APPEND_DEADLINE_S", "inf"),
        ("KEYTRAIL_QUEUE_LIMIT", "0"),
        ("KEYTRAIL_HOST", ""),
        ("KEYTRAIL_DATA", ""),
        ("KEYTRAIL_TLS_CERT", ""),
    ],
)
def test_a_wrong_value_stops_the_start_and_says_where_it_is(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read({name: value})


@pytest.mark.parametrize("line", ['port = "8014"', "port = 80.5", "host = 1", "insecure = 1"])
def test_the_file_is_held_to_its_types(tmp_path: Path, line: str) -> None:
    written(tmp_path / FILE_NAME, line)
    with pytest.raises(SettingsError, match=r"`\w+` in .* Expected"):
        read(data=tmp_path)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(SettingsError, match="go together"):
        read(tls_cert=Path("cert.pem"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "keys.example.com", "127.0.0.1.x"])
def test_plain_http_beyond_loopback_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="not a loopback address"):
        read(host=host)


def test_plain_http_beyond_loopback_can_be_insisted_on() -> None:
    assert read(host="0.0.0.0", insecure=True).endpoint == "http://0.0.0.0:8014"


def test_tls_opens_every_address() -> None:
    settings = read(host="::", tls_cert=Path("cert.pem"), tls_key=Path("key.pem"))
    assert settings.endpoint == "https://[::]:8014"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_known_in_all_its_forms(host: str) -> None:
    assert is_loopback(host)


# --- docs/reference/settings.md ------------------------------------------------------------------


def range_of(kind: Any) -> str:
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return f"{kind.ge:,} to {kind.le:,}"
        case inspect.StrType():
            return "text" if kind.max_length is None else f"text, at most {kind.max_length}"
        case _:
            return "path"


def row_of(field: inspect.Field) -> str:
    assert isinstance(field.type, inspect.Metadata)
    schema, extra = field.type.extra_json_schema or {}, field.type.extra or {}
    literal = "none" if field.default is None else f"`{str(field.default).lower()}`"
    default = extra.get("default", literal)
    cells = (f"`{field.name}`", f"`{variable(field.name)}`", extra.get("unit", "—"), default)
    return f"| {' | '.join(cells)} | {range_of(field.type.type)} | {schema['description']} |"


def test_the_settings_page_has_one_true_row_for_each_setting() -> None:
    described = inspect.type_info(Settings)
    assert isinstance(described, inspect.StructType)
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| `\w+` \| `KEYTRAIL_", line)]
    assert rows == [row_of(field) for field in described.fields]


def test_every_setting_is_described() -> None:
    for field in msgspec.structs.fields(Settings):
        assert "description=" in repr(field.type), field.name
