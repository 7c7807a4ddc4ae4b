"""One process a folder: a lock that the operating system holds, and drops however the process ends."""

import contextlib
import errno
import os
import pathlib
import re

from minibert.training.errors import RunError

LOCK_FILE = "run.lock"
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # what a lock that another process holds says
FAR = 1 << 30  # the byte that Windows locks, behind all that the file holds: locked bytes cannot be read


@contextlib.contextmanager
def locked(directory, say):
    """Hold the folder of a run, which is made if it is not there and removed again if it stays empty.

    The lock file is empty but for the number of the process. It may stay behind after kill -9, and then says
    nothing: what counts is the lock, and that is gone.

    Args:
        directory: of the run.
        say: function that takes a line; told where a file system has no locks.

    Raises:
        RunError: another process holds the folder, it cannot be written, or run.lock is another program's.
    """
    directory = pathlib.Path(directory)
    if directory.is_file():
        raise RunError(f"{directory} is a file: choose another --output, for a directory")
    existed = directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = _locked_file(directory, say)
    except OSError as error:
        raise RunError(
            f"cannot write to the output directory {directory} ({error.strerror}): choose another --output"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file; then it stays, and says nothing
            (directory / LOCK_FILE).unlink()
        file.close()
        if not existed:
            with contextlib.suppress(OSError):  # as a rule it is not empty
                directory.rmdir()


def _locked_file(directory, say):
    path = directory / LOCK_FILE
    while True:
        if os.path.lexists(path) and not _is_ours(path):
            raise RunError(
                f"{directory} holds {LOCK_FILE}, which no run wrote: choose another --output, or move it"
            )
        file = open(path, "a+b", buffering=0)
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in TAKEN:
                process = _process(file)
                file.close()
                raise RunError(
                    f"{directory} is in use: another process{process} trains there; wait until it ends, or "
                    "choose another --output"
                ) from None
            say(f"note        {directory} is on a file system without locks: start no second run there")
        if _is_at(path, file):
            break
        file.close()  # the run that held it has ended, and removed it, since it was opened
    with contextlib.suppress(OSError):  # the number is a help for people: a full disk may lack it
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
    return file


def _is_ours(path):
    """Whether a file may be the lock of a run: a file of its own, with the number of a process or nothing."""
    if path.is_symlink() or not path.is_file():
        return not os.path.lexists(path)  # it was one, and its run ended just now
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        return re.fullmatch(rb"\d*\n?", file.read(20)) is not None
    return True


def _lock(handle):
    """Lock an open file, or raise OSError at once."""
    if os.name == "nt":
        import msvcrt

        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(path, file):
    """Whether the open file is still the one at that path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _process(file):
    """Return " (12345)", the number of the process that holds the lock, where the file says it."""
    try:
        file.seek(0)
        number = file.read(20).decode("ascii", "replace").strip()
    except OSError:
        number = ""
    return f" ({number})" if number.isdecimal() else ""
