"""What one browser session has open, and the course of a question in it.

    visit = Visit()
    open_files(visit, ["sales.csv"])
    with asking(visit):
        for view in answer(visit, "Which region sells most?", loader): ...

A Visit is shared with nobody. Its files, Python process and conversation end together.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sandbox
from agent import suggestions
from agent.episode import Episode, EpisodeLimits
from agent.models import ModelError
from agent.run import HEARTBEAT_SECONDS, Finished, Ran, Refused, Running, Writing, events, new_episode
from agent.trajectory import Trajectory
from page import takeaway
from page.loading import Loader
from sandbox import InputError, Reading, SandboxError, Session, folders

FRAME_SECONDS = 0.1  # a browser is sent no more than ten pictures of a reply a second
MOST_PROCESSES = 24  # of visitors together; one more costs the longest idle one its variables
PREFIX = "datasense-visits-"

_BUSY = "A question is being answered: stop it first."
_holding: list[Visit] = []  # those who have a process, the longest idle first
_lock = threading.Lock()


@dataclass(eq=False)
class Visit:
    """One browser session: its files and tables, its Python process, its conversation.

    Attributes:
        reading: how the files were to be read, where the visitor has said so.
        stop: set by the Stop button; the running answer sees it within HEARTBEAT_SECONDS.
        running: whether a question is being answered; see `asking`.
        past: what was asked of these files and answered, the newest last.
        restart: how many of those were asked before the present Python process began.
        folder: where what this visitor takes home is written.
        choice: stands for the files that were chosen last, while they are being read.
    """

    files: tuple[Path, ...] = ()
    reading: Reading = Reading()  # noqa: RUF009 (frozen)
    session: Session | None = None
    episode: Episode | None = None
    past: tuple[Trajectory, ...] = ()
    restart: int = 0
    stop: bool = False
    running: bool = False
    folder: Path | None = None
    choice: object = None


@dataclass(frozen=True)
class View:
    """What there is to see of a question now.

    Attributes:
        trajectory: the record so far, None before the episode begins.
        phase: "waiting" for the model to load, "reading" the files again, "thinking", "writing", "running"
            or "done".
        draft: what the model has written of the present reply, or the code that runs.
        seconds: since the question was asked.
    """

    question: str
    trajectory: Trajectory | None = None
    phase: str = "waiting"
    draft: str = ""
    seconds: float = 0.0


def open_files(visit: Visit, files: Sequence[str | Path], reading: Reading = Reading()) -> bool:  # noqa: B008
    """Starts afresh on these files, read so; on an error the visit stays as it was.

    Returns False, and changes nothing, where the visitor chose others, or asked, while these were being read.

    Raises:
        InputError: a file cannot be used, or a question is being answered.
        SandboxError: see `sandbox.open`.
    """
    if visit.running:
        raise InputError(_BUSY)
    return _open_files(visit, files, reading)


def _open_files(visit: Visit, files: Sequence[str | Path], reading: Reading = Reading()) -> bool:  # noqa: B008
    visit.choice = choice = object()
    session = _read(files, reading)
    if visit.choice is not choice:
        session.close()
        return False
    _hold(visit, session)
    visit.files, visit.reading = tuple(map(Path, files)), reading
    visit.episode, visit.past, visit.restart = None, (), 0
    return True


def _read(files: Sequence[str | Path], reading: Reading) -> Session:
    """A session with its tables described, which is where most of the time goes."""
    session = sandbox.open(files, reading=reading)
    try:
        session.profile()
    except (InputError, SandboxError):
        session.close()
        raise
    return session


@contextmanager
def asking(visit: Visit, files: Sequence[str | Path] = ()) -> Iterator[None]:
    """Keeps the visit for one question, and opens the files, if there are any, that it is asked of.

    Raises:
        InputError: a question is being answered already, or a file cannot be used.
        SandboxError: see `sandbox.open`.
    """
    with _lock:
        if visit.running:
            raise InputError(_BUSY)
        visit.running, visit.stop, visit.choice = True, False, None
    try:
        if files:
            _open_files(visit, files)
        yield
    finally:
        visit.running = False


def _hold(visit: Visit, session: Session) -> None:
    """Gives the visit a process for its own, and takes one from the longest idle where there are too many."""
    with _lock:
        if visit.session and visit.session is not session:
            visit.session.close()
        visit.session = session
        _holding[:] = [other for other in _holding if other is not visit] + [visit]
        surplus = len(_holding) - MOST_PROCESSES
        for idle in [other for other in _holding[:-1] if not other.running][: max(surplus, 0)]:
            idle.session.close()
            _holding.remove(idle)


def close(visit: Visit) -> None:
    """Ends the Python process and deletes what was written for this visitor."""
    with _lock:
        _holding[:] = [other for other in _holding if other is not visit]
    if visit.session:
        visit.session.close()
    if visit.folder:
        shutil.rmtree(visit.folder, ignore_errors=True)
    visit.stop, visit.session, visit.folder = True, None, None


def answer(
    visit: Visit, question: str, loader: Loader, *, max_steps: int = EpisodeLimits.max_steps
) -> Iterator[View]:
    """Asks the visit's tables; a second question goes on with the Python state and the conversation.

    To be used within `asking`. Yields a View whenever there is something new, at least every
    HEARTBEAT_SECONDS; the last one's phase is "done". `visit.stop`, or closing the iterator, ends it and
    kills what runs.

    Raises:
        InputError: the files cannot be read again.
        ModelError, SandboxError: there is no model or no sandbox.
        ValueError: the question is empty.
    """
    started = time.monotonic()
    yield from _wait_for_model(visit, question, loader, started)
    kept = bool(visit.session and visit.session.alive)  # else a step was stopped, or others took its place
    if kept:
        _hold(visit, visit.session)
    else:
        yield from _read_again(visit, question, started)
    if visit.stop:
        stopped = Trajectory(question, (), (), (), "stopped")
        yield View(question, stopped, "done", seconds=time.monotonic() - started)
        return
    visit.episode = new_episode(
        question,
        visit.session.profile(),
        loader.state,
        max_steps=max_steps,
        after=visit.episode,
        fresh_state=not kept,
    )
    yield from _drive(visit, loader, started)


def _wait_for_model(visit: Visit, question: str, loader: Loader, started: float) -> Iterator[View]:
    loader.start()
    while not loader.ready and not visit.stop:
        if isinstance(loader.state, ModelError):
            raise loader.state
        yield View(question, seconds=time.monotonic() - started)
        time.sleep(HEARTBEAT_SECONDS)


def _read_again(visit: Visit, question: str, started: float) -> Generator[View]:
    """Gives the visit a new process with its files, unless it is stopped meanwhile."""
    pool = ThreadPoolExecutor(1)
    reading = pool.submit(_read, visit.files, visit.reading)
    pool.shutdown(wait=False)
    wanted = False
    try:
        while not (wait([reading], HEARTBEAT_SECONDS).done or visit.stop):
            yield View(question, phase="reading", seconds=time.monotonic() - started)
        wanted = not visit.stop
    finally:
        if not wanted:
            reading.add_done_callback(_close_unused)
    if wanted:
        _hold(visit, reading.result())
        visit.restart = len(visit.past)


def _close_unused(reading: Future[Session]) -> None:
    if not reading.exception():
        reading.result().close()


def _drive(visit: Visit, loader: Loader, started: float) -> Iterator[View]:
    episode, phase, draft, shown = visit.episode, "thinking", "", 0.0
    running = events(episode, loader.state, visit.session)
    record = episode.trajectory()
    try:
        for event in running:
            now = time.monotonic()
            match event:
                case Writing(text=text):
                    phase, draft = "writing", draft + text if phase == "writing" else text
                    if now - shown < FRAME_SECONDS:
                        continue
                case Running(code=code):
                    phase, draft = "running", code
                case Ran() | Refused():
                    phase, draft, record = "thinking", "", episode.trajectory()
                case Finished(trajectory=record):
                    phase, draft = "done", ""
            if visit.stop and phase != "done":
                break
            shown = now
            yield View(episode.question, record, phase, draft, now - started)
    finally:
        running.close()
    if phase != "done":
        record = episode.trajectory(model=loader.state.name)
        yield View(episode.question, record, "done", "", time.monotonic() - started)
    visit.past = (*visit.past, record)


@functools.cache
def root() -> folders.Root:
    """The folder of this page's visitors' folders; to make it removes those that killed pages have left."""
    made = folders.new_root(PREFIX)
    atexit.register(made.close)
    return made


def take_home(visit: Visit, trajectory: Trajectory) -> dict[str, Path]:
    """Writes what the answer leaves into the visitor's own folder, its steps behind those they build on."""
    visit.folder = visit.folder or root().new_folder("visit-")
    earlier = [record for record in visit.past[visit.restart :] if record is not trajectory]
    return takeaway.write(visit.folder, trajectory, earlier, _printed_table(visit))


def _printed_table(visit: Visit) -> bytes | None:
    try:
        return visit.session.shown() if visit.session else None
    except SandboxError:  # it was closed meanwhile
        return None


def suggested(visit: Visit) -> list[str]:
    """Questions to begin with; the sandbox has answered each of them."""
    session = visit.session
    try:
        found = suggestions.answered(session, session.profile())
        if visit.running or visit.session is not session:  # others are open by now, or a question is asked
            return []
        session.shown()  # what they printed is nothing to take home
    except SandboxError:  # it was closed meanwhile
        return []
    return [suggestion.question for suggestion in found]
