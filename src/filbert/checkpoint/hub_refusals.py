"""Why a model did not come from the hub, in words: what was asked for, where, and what to do.

Nothing that the hub says in words is repeated, and no address with a query: a token or a signature
could stand in it.
"""

from collections.abc import Mapping
from pathlib import Path

from filbert.checkpoint.guide import read_guide
from filbert.checkpoint.hub_cache import names_in
from filbert.checkpoint.hub_client import Hub, has_token
from filbert.checkpoint.hub_listing import Listing
from filbert.checkpoint.hub_names import HubName
from filbert.errors import CheckpointError, did_you_mean


def refusal(
    hub: Hub, wanted: HubName, status: int, headers: Mapping[str, str], file: str = ""
) -> CheckpointError:
    """The error for an HTTP status that is no success. file: which one, if it was about one."""
    code = headers.get("X-Error-Code", "")
    log_in = (
        "the token that was sent does not open it"
        if has_token()
        else "log in with `hf auth login`, or set HF_TOKEN"
    )
    if code == "GatedRepo" or status == 403:
        said = f"closed, or gated: ask for access on {hub.shown}/{wanted.name}; {log_in}"
    elif code == "RevisionNotFound":
        said = f"there is no branch, tag or commit {wanted.revision!r} of this model"
    elif code == "EntryNotFound":
        said = "it is listed, but not there; try again"
    elif status == 401:
        said = f"no such model, or a private one{_near(hub, wanted)}; if it is private: {log_in}"
    elif status == 404:
        no_hub = "" if code else ", or what answers there is no hub"
        said = f"there is no model of this name{no_hub}{_near(hub, wanted)}"
    elif status == 429:
        said = "too many requests; try again later"
    else:
        said = "the hub has a fault; try again later"
    what = f"{wanted}: {file}" if file else str(wanted)
    return CheckpointError(f"{what}: {said} (HTTP {status} from {hub.shown})")


def not_reached(hub: Hub, wanted: HubName, missing: str | None, reason: str) -> CheckpointError:
    """The error where there is no network. missing: what the cache lacks; None: all."""
    lack = f"the cache {hub.cache} lacks of it {missing}" if missing else f"not in {hub.cache}"
    return CheckpointError(
        f"{wanted}: {lack}, and {reason}. With a network, `filbert fetch {wanted}` brings it; "
        f"without one, name the folder of a model{_near(hub, wanted)}"
    )


def no_model(wanted: HubName, listing: Listing) -> CheckpointError:
    """The error for a repository without what makes a model."""
    kinds = sorted({Path(file.name).suffix for file in listing.files} - {""})
    return CheckpointError(
        f"{wanted}: holds no model that filbert reads: expected config.json and model.safetensors "
        "or pytorch_model.bin (or their parts with an index), found "
        f"{len(listing.files)} files ({', '.join(kinds)[:120] or 'without a suffix'})"
    )


def cannot_write(hub: Hub, wanted: HubName, error: Exception) -> CheckpointError:
    """The error for a disk that is full, or a cache that may not be written."""
    said = str(error)
    if isinstance(error, OSError):
        said = f"{error.filename or hub.cache}: {error.strerror or error}"
    return CheckpointError(
        f"{wanted}: the cache could not be written: {said}. What came is kept; make room or rights "
        "there, or name another place in HF_HUB_CACHE"
    )


def _near(hub: Hub, wanted: HubName) -> str:
    names = {model.name for model in read_guide()} | set(names_in(hub.cache))
    return "" if wanted.name in names else did_you_mean(wanted.name, names)
