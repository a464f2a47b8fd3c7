"""A model by its name on the hub → a Folder: out of the cache, else fetched, whole and checked.

The network is used for nothing but this, and only where the cache has not got the model. This file
is imported when a name is asked for, for it brings huggingface_hub with it.
"""

import shutil
import sys
import time
from pathlib import Path
from urllib.parse import quote

from filbert.checkpoint.folder import Folder
from filbert.checkpoint.hub_cache import Cache, Found
from filbert.checkpoint.hub_client import CutError, Hub, NotReachedError, locked, the_hub
from filbert.checkpoint.hub_listing import HubFile, Listing, from_api
from filbert.checkpoint.hub_names import HubName, parse
from filbert.checkpoint.hub_refusals import cannot_write, no_model, not_reached, refusal
from filbert.checkpoint.hub_transfer import RefusedError, is_whole, transfer
from filbert.errors import CheckpointError, FilbertError
from filbert.progress import Progress, Stage, choose, quiet

MEGABYTE = 1_000_000
SMALL_FILE = 10 * MEGABYTE


def fetch(
    name: str,
    *,
    revision: str | None = None,
    refresh: bool = False,
    progress: Progress | None = None,
) -> Folder:
    """The folder of a model that is named as the hub names it.

    name      "bert-base-uncased", "ORG/NAME", either with "@REVISION"
    revision  a branch, a tag or a commit; None: what the name says, else "main"
    refresh   ask the hub what the revision means today, even where the cache has it
    progress  None: a live line where standard error is a terminal, else nothing

    A model that the cache has whole is opened without any network. Only what a model needs comes:
    config.json, one form of weights (safetensors before all), tokenizer files, the files of
    sentence-transformers and filbert; never code. Each file is checked against the hub's checksum.

    Raises CheckpointError saying what was looked for and where: there is no network (at once), no
    such model or revision, no right to read it, a connection that failed again and again (what came
    is kept, and the next call goes on from there), a damaged file, a disk that refuses.
    """
    if progress is None:
        progress = choose() if sys.stderr.isatty() else quiet()
    hub, wanted = the_hub(), parse(name, revision)
    cache = Cache(hub.cache, wanted.name)
    found = cache.find(wanted.revision)
    if found and found.is_whole and not refresh:
        return Folder(found.path)
    try:
        hub.reach()
        with locked(cache.lock, lambda: progress.note(f"{wanted}: another process fetches it …")):
            # Whoever held the lock before may have fetched it.
            found = cache.find(wanted.revision)
            if found and found.is_whole and not refresh:
                return Folder(found.path)
            return _from_hub(hub, cache, wanted, progress)
    except NotReachedError as error:
        if refresh and found and found.is_whole:
            raise CheckpointError(
                f"{wanted}: the cache has it, but whether it is today's could not be asked: "
                f"{error}; without a refresh it is opened as it is"
            ) from error
        return _without_network(hub, wanted, None if refresh else found, progress, str(error))
    except CheckpointError:
        raise
    except (OSError, FilbertError) as error:
        raise cannot_write(hub, wanted, error) from error


def is_cached(name: str, *, revision: str | None = None) -> bool:
    """Whether `fetch` would open the model without a network."""
    wanted = parse(name, revision)
    found = Cache(the_hub().cache, wanted.name).find(wanted.revision)
    return found is not None and found.is_whole


def _without_network(
    hub: Hub, wanted: HubName, found: Found | None, progress: Progress, reason: str
) -> Folder:
    """What the cache has, if that will do; the user hears what is not known about it."""
    if found is None or found.missing:
        raise not_reached(hub, wanted, found.missing if found else None, reason)
    progress.note(
        f"{wanted}: taken from the cache as it is; whether it is an embedding model with files of "
        f"sentence-transformers could not be asked: {reason}"
    )
    return Folder(found.path)


def _from_hub(hub: Hub, cache: Cache, wanted: HubName, progress: Progress) -> Folder:
    """Ask what there is, bring what is missing, and only then say that the revision means it."""
    listing = _listing(hub, wanted)
    files = sorted(listing.needed(), key=lambda file: file.size)
    if not files:
        raise no_model(wanted, listing)
    cache.remember(listing)
    absent = [file for file in files if not cache.is_placed(listing.commit, file)]
    if absent:
        _bring(hub, cache, wanted, listing.commit, absent, progress)
    cache.point(wanted.revision, listing.commit)
    return Folder(cache.snapshot(listing.commit))


def _listing(hub: Hub, wanted: HubName) -> Listing:
    path = f"/api/models/{wanted.name}/revision/{quote(wanted.revision, safe='')}"
    try:
        status, headers, value = hub.ask(path, {"blobs": "true"})
    except CutError as error:
        raise CheckpointError(
            f"{wanted}: the connection to {hub.shown} failed: {error}; try again"
        ) from error
    if status != 200:
        raise refusal(hub, wanted, status, headers)
    return from_api(value, f"{hub.shown}{path}")


def _bring(
    hub: Hub,
    cache: Cache,
    wanted: HubName,
    commit: str,
    files: list[HubFile],
    progress: Progress,
) -> None:
    """The files, small ones first, so that a model that filbert cannot read costs no long wait."""
    missing = [file for file in files if not is_whole(cache.blob(file), file)]
    total = sum(file.size for file in missing)
    _check_space(hub, wanted, total)
    with progress.stage(f"fetching {wanted}", total / MEGABYTE, "MB") as stage:
        meter = _Meter(stage)
        for file in files:
            if file.size > SMALL_FILE:
                _check_shape(wanted, cache.snapshot(commit))
            if file in missing:
                try:
                    transfer(hub, wanted.name, commit, file, cache.blob(file), meter.report)
                except RefusedError as error:
                    raise refusal(hub, wanted, error.status, error.headers, file.name) from error
                meter.before += file.size
            cache.place(commit, file)


def _check_space(hub: Hub, wanted: HubName, total: int) -> None:
    hub.cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(hub.cache).free
    if free < total:
        raise CheckpointError(
            f"{wanted}: {total / MEGABYTE:,.0f} MB are to come, and the disk of {hub.cache} has "
            f"{free / MEGABYTE:,.0f} MB free; make room, or name another place in HF_HUB_CACHE"
        )


def _check_shape(wanted: HubName, snapshot: Path) -> None:
    try:
        Folder(snapshot).shape()
    except CheckpointError as error:
        raise CheckpointError(f"{wanted}: its weights were not fetched: {error}") from error


class _Meter:
    """Bytes that came, over all files, and how fast; what an earlier call brought is no speed."""

    def __init__(self, stage: Stage):
        self.stage, self.before = stage, 0
        self.first: tuple[float, int] | None = None

    def report(self, there: int) -> None:
        """So many bytes of the present file are there."""
        done, now = self.before + there, time.monotonic()
        start, had = self.first = self.first or (now, done)
        figures = {"MB/s": (done - had) / MEGABYTE / (now - start)} if now > start else None
        self.stage.update(done / MEGABYTE, figures)
