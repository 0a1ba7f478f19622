"""The command line. A command is a few lines over `api.provision` and `api.main`.

Exit codes: 0 done, 1 error, 2 not ready, 3 verification failed. Whatever a command needs is
imported inside it, so that `keytrail --help` does not wait for the server's libraries.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from api.provision import AccessKey
    from api.settings import Settings

ERROR = 1
NOT_READY = 2
VERIFICATION_FAILED = 3

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data directory. Otherwise KEYTRAIL_DATA, otherwise keytrail-data.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The settings file. Otherwise keytrail.toml in the data directory, if it is there.",
        show_default=False,
    ),
]
Account = Annotated[
    str, typer.Option("--account", metavar="ID", help="The account's id, 12 digits.")
]
Region = Annotated[str, typer.Option("--region", metavar="NAME", help="The account's home region.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

commands = typer.Typer(
    name="keytrail",
    help="A key management service whose audit log is its database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
accounts = typer.Typer(help="The accounts of a ledger.", no_args_is_help=True)
commands.add_typer(accounts, name="account")


def app() -> None:
    """Run the command line that the process was started with."""
    try:
        code = commands(standalone_mode=False)
    except typer.Abort:
        sys.exit(ERROR)
    except typer.TyperException as error:
        # Typer itself would leave with 2, which is "not ready" here. It has no message where it has
        # shown the help instead.
        if message := error.format_message():
            _say(message)
        sys.exit(ERROR)
    sys.exit(code)


@commands.command(
    epilog="Example: keytrail init --data /var/lib/keytrail "
    "--account 123456789012 --region eu-central-1"
)
def init(
    *,
    account: Account,
    region: Region,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write a new file for AWS_CONFIG_FILE with the profile `keytrail`.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a data directory: root key, keyring, ledger, and the first account's access key."""
    with _told():
        from api.profile import write_profile
        from api.provision import initialise

        settings = _settings(config, data=data)
        if profile is not None and profile.exists():
            _fail(f"{profile} exists already and may hold another secret.", ERROR)
        key = initialise(settings, account=account, region=region)
        _show_key(key, as_json=as_json)
        if profile is not None:
            write_profile(profile, key, settings.endpoint)
        if not as_json:
            typer.echo(f"\nNext: {_serve_command(settings, config)}")


@commands.command(
    epilog="Example: keytrail serve --data /var/lib/keytrail --host 0.0.0.0 "
    "--tls-cert server.pem --tls-key server.key"
)
def serve(
    *,
    data: Data = None,
    config: Config = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The address to listen on.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate and its chain, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's private key, PEM.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow plain HTTP beyond loopback.")
    ] = False,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then finish those in flight and stop."""
    with _told():
        import api.main

        settings = _settings(
            config,
            data=data,
            host=host,
            port=port,
            tls_cert=tls_cert,
            tls_key=tls_key,
            insecure=insecure or None,
        )
        api.main.serve(settings, on_ready=lambda endpoint: _show_ready(settings, endpoint))


@commands.command(epilog="Example: keytrail status --data /var/lib/keytrail")
def status(*, data: Data = None, config: Config = None) -> None:
    """Show what the ledger holds."""
    with _told():
        import api.main

        _show_rows(api.main.status(_settings(config, data=data)))


@commands.command(epilog="Example: keytrail verify --data /var/lib/keytrail")
def verify(*, data: Data = None, config: Config = None) -> None:
    """Walk the whole ledger and name the first row that is wrong."""
    with _told():
        import api.main

        settings = _settings(config, data=data)
        with _progress("verifying") as on_progress:
            found = api.main.verify(settings, on_progress)
        typer.echo(
            f"verified: {found.rows:,} rows, {found.events:,} events, {found.records:,} records"
        )


@commands.command(epilog="Example: keytrail rebuild --data /var/lib/keytrail")
def rebuild(*, data: Data = None, config: Config = None) -> None:
    """Drop everything that is derived from the ledger and make it again."""
    with _told():
        import api.main

        settings = _settings(config, data=data)
        with _progress("rebuilding") as on_progress:
            rows = api.main.rebuild(settings, on_progress)
        typer.echo(f"rebuilt from {rows:,} rows")


@accounts.command(
    epilog="Example: keytrail account create --account 210987654321 --region eu-central-1"
)
def create(
    *,
    account: Account,
    region: Region,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make another account in the same ledger while the server is stopped."""
    with _told():
        from api.provision import create_account

        key = create_account(_settings(config, data=data), account=account, region=region)
        _show_key(key, as_json=as_json)


@commands.command(epilog="Example: keytrail version")
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed_version

    typer.echo(f"keytrail {installed_version('keytrail')}")


# --- settings and refusals -----------------------------------------------------------------------


def _settings(config: Path | None, **flags: object) -> "Settings":
    import os
    import socket

    from api.settings import load

    return load(flags, environment=os.environ, hostname=socket.gethostname(), config=config)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the program is not to blame for into one line and an exit code."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(str(error), code)


def _exit_code(error: Exception) -> int | None:
    from sqlite3 import DatabaseError

    from api.main import NotReplayed, StartRefused
    from api.provision import ProvisionError
    from api.settings import SettingsError
    from domain.errors import LedgerUnavailable
    from keystore.keyring import KeyringError
    from keystore.root import RootKeyError
    from ledger.lock import LedgerLocked
    from ledger.schema import WrongSchema
    from ledger.verify import Broken

    match error:
        case Broken() | NotReplayed():
            return VERIFICATION_FAILED
        case StartRefused() | LedgerLocked() | LedgerUnavailable() | DatabaseError():
            return NOT_READY
        case RootKeyError() | KeyringError() | WrongSchema():
            return NOT_READY
        case SettingsError() | ProvisionError() | OSError():
            return ERROR
        case _:
            return None


def _fail(message: str, code: int) -> NoReturn:
    _say(message)
    raise typer.Exit(code)


def _say(message: str) -> None:
    typer.echo(f"keytrail: {' '.join(message.split())}", err=True)


# --- output --------------------------------------------------------------------------------------


def _show_key(key: "AccessKey", *, as_json: bool) -> None:
    import msgspec

    if as_json:
        typer.echo(msgspec.json.encode(key).decode())
        return
    from rich.console import Console
    from rich.panel import Panel

    rows = _grid(msgspec.structs.asdict(key))
    title = "The account's administrator. The secret is shown this once."
    Console().print(Panel(rows, title=title, title_align="left", expand=False))


def _serve_command(settings: "Settings", config: Path | None) -> str:
    import shlex

    words = ["keytrail", "serve", "--data", str(settings.data)]
    return shlex.join([*words, "--config", str(config)] if config else words)


def _show_rows(values: Mapping[str, object]) -> None:
    from rich.console import Console

    Console().print(_grid(values))


def _grid(values: Mapping[str, object]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in _flat(values):
        shown = f"{value:,}" if type(value) is int else str(value)
        grid.add_row(Text(name, style="bold"), Text(shown, overflow="fold"))
    return grid


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        label = prefix + name.replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{label} ")
        else:
            yield label, value


def _show_ready(settings: "Settings", endpoint: str) -> None:
    from shlex import quote

    from api.profile import FILE_NAME, PROFILE

    typer.echo(f"Keytrail answers at {endpoint}. Ctrl-C finishes what is in flight and stops.")
    profile = settings.data.absolute() / FILE_NAME
    if not profile.exists():
        return
    typer.echo(
        f"""
Type next, in a second shell:

  export AWS_CONFIG_FILE={quote(str(profile))} AWS_PROFILE={PROFILE} AWS_ENDPOINT_URL={endpoint}
  aws kms create-key --description 'my first key'
  aws kms list-keys
  aws cloudtrail lookup-events --max-items 3
"""
    )


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere; called with the position reached and the head."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task(label, total=None)
        yield lambda position, head: bars.update(task, completed=position, total=head)
