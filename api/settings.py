"""The settings: one frozen record, read once, before anything starts.

A later source overrides an earlier one: defaults, the TOML file, `KEYTRAIL_` variables, the
command line. What is misspelt, mistyped or out of range stops the start and is named.
"""

import difflib
import ipaddress
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import msgspec
from msgspec import Meta

PREFIX = "KEYTRAIL_"
FILE_NAME = "keytrail.toml"


class SettingsError(Exception):
    """A setting is unknown, mistyped, out of range or contradicts another; says which and where."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. `docs/reference/settings.md` is this record in words."""

    data: Annotated[
        Path,
        Meta(
            description="The data directory; only `keytrail init` makes one.",
            extra={"default": "`keytrail-data`"},
        ),
    ]
    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="The address to listen on; without TLS it must be loopback.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65_535, description="The port to listen on; 0 takes one that is free."),
    ] = 8014
    tls_cert: Annotated[
        Path | None,
        Meta(description="The PEM file of the certificate and its chain; needs `tls_key`."),
    ] = None
    tls_key: Annotated[
        Path | None,
        Meta(description="The PEM file of the certificate's private key; needs `tls_cert`."),
    ] = None
    insecure: Annotated[
        bool,
        Meta(description="Allows plain HTTP on an address other than loopback."),
    ] = False
    root_key_file: Annotated[
        Path,
        Meta(
            description="The root key, which opens the keyring; nobody else may read it.",
            extra={"default": "`<data>/root.key`"},
        ),
    ]
    node: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="The name of this server in its records.",
            extra={"default": "the host name"},
        ),
    ]
    queue_limit: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Calls that may wait for the ledger; the next one is answered with 503.",
            extra={"unit": "calls"},
        ),
    ] = 10_000
    append_deadline_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="How long a call waits for its record to be durable before it gets 503.",
            extra={"unit": "seconds"},
        ),
    ] = 5.0
    cache_entries: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Keys and aliases whose catalogue rows are held in memory.",
            extra={"unit": "entries"},
        ),
    ] = 20_000
    unsealed_keys: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Keys whose opened material is held in memory, most recently used first.",
            extra={"unit": "keys"},
        ),
    ] = 10_000
    scheduler_interval_s: Annotated[
        float,
        Meta(
            ge=0.01,
            le=60,
            description="How often the server looks for keys whose waiting period has ended.",
            extra={"unit": "seconds"},
        ),
    ] = 1.0
    destruction_sweep_interval_s: Annotated[
        float,
        Meta(
            ge=0.01,
            le=604_800,
            description="How often material of deleted keys is made unreadable in every copy.",
            extra={"unit": "seconds"},
        ),
    ] = 3600.0

    @property
    def endpoint(self) -> str:
        """The URL of the server on its own machine."""
        scheme = "http" if self.tls_cert is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


class Given(NamedTuple):
    """One value as a source gave it, and what to call it when it is wrong."""

    source: str
    value: object
    is_text: bool


_FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}
_PATHS = frozenset({"data", "tls_cert", "tls_key", "root_key_file"})


def load(
    overrides: Mapping[str, object],
    *,
    environment: Mapping[str, str],
    hostname: str,
    config: Path | None = None,
) -> Settings:
    """Read every source; a `None` among the overrides is one that was not given.

    Without `config`, `keytrail.toml` in the data directory is read if it is there. Relative paths
    in the file start at the file, all others at the working directory. Raises SettingsError.
    """
    flags = _from_flags(overrides)
    variables = _from_environment(environment)
    given = {**_from_file(config, {**variables, **flags}), **variables, **flags}
    values = {name: _convert(name, one) for name, one in given.items()}
    values.setdefault("data", _default_data())
    values.setdefault("root_key_file", Path(str(values["data"])) / "root.key")
    values.setdefault("node", hostname)
    settings = msgspec.convert(values, Settings)
    _check_together(settings)
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address. A name other than localhost may resolve
    to anything, so it does not count.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _default_data() -> Path:
    return Path("keytrail-data")


def _from_flags(overrides: Mapping[str, object]) -> dict[str, Given]:
    return {
        name: Given(f"--{name.replace('_', '-')}", value, is_text=False)
        for name, value in overrides.items()
        if value is not None
    }


def _from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    known = {variable(name): name for name in _FIELDS}
    given = {}
    for key, value in sorted(environment.items()):
        if not key.startswith(PREFIX):
            continue
        if key not in known:
            _refuse_unknown(f"the environment variable {key}", key, known)
        given[known[key]] = Given(key, value, is_text=True)
    return given


def _from_file(config: Path | None, above: Mapping[str, Given]) -> dict[str, Given]:
    if config is not None:
        return dict(_file_items(config))
    data = _convert("data", above["data"]) if "data" in above else _default_data()
    found = Path(str(data)) / FILE_NAME
    if not found.exists():
        return {}
    given = dict(_file_items(found))
    if "data" in given:
        raise SettingsError(
            f"{found} was found through the data directory, so it cannot set `data`. "
            f"Name the file with --config instead."
        )
    return given


def _file_items(path: Path) -> Iterator[tuple[str, Given]]:
    for name, value in _read_toml(path).items():
        source = f"`{name}` in {path}"
        if name not in _FIELDS:
            _refuse_unknown(source, name, _FIELDS)
        if name in _PATHS and isinstance(value, str) and value:
            yield name, Given(source, path.parent / value, is_text=False)
        else:
            yield name, Given(source, value, is_text=False)


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.") from None


def _convert(name: str, given: Given) -> object:
    value = given.value
    if name in _PATHS and isinstance(value, str):
        if not value:
            raise SettingsError(f"{given.source} is empty.")
        value = Path(value)
    try:
        return msgspec.convert(value, _FIELDS[name].type, strict=not given.is_text)
    except msgspec.ValidationError as error:
        problem = str(error).replace("`", "")
        raise SettingsError(f"{given.source} is {given.value!r}: {problem}.") from None


def _refuse_unknown(what: str, name: str, known: Mapping[str, object]) -> NoReturn:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    raise SettingsError(f"{what} is not a setting. The nearest is {nearest}.")


def _check_together(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("tls_cert and tls_key go together: give both or neither.")
    if settings.tls_cert is None and not settings.insecure and not is_loopback(settings.host):
        raise SettingsError(
            f"{settings.host} is not a loopback address and there is no TLS: "
            f"give tls_cert and tls_key, or allow plain HTTP with --insecure."
        )
