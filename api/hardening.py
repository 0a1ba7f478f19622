"""What the process asks of its operating system, so that its memory stays its own."""

import ctypes
import os
import resource
import sys

import structlog

# From <linux/prctl.h>.
_PR_SET_DUMPABLE = 4

_log = structlog.get_logger(__name__)


def forbid_core_dumps() -> None:
    """Opened keys must not reach a file, nor a debugger of the same user.

    A limit of 0 forbids the files. Linux hands a dump to a program in spite of it, where one is
    configured; a process that is not dumpable is spared that too. A refusal is logged.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            _become_undumpable()
    except (OSError, ValueError) as error:
        _log.warning("core dumps are not forbidden", error=str(error))


def _become_undumpable() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
