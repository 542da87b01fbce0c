"""Whether a pipeline's ends can share transactions. Imports nothing of kafka-python."""

from __future__ import annotations

from collections.abc import Sequence

from pengi_stream.plugins import PluginConfig


def trouble_with_exactly_once(
    sources: Sequence[PluginConfig], required: Sequence[PluginConfig], letters: PluginConfig | None
) -> str:
    """What stands in the way of `guarantee: exactly_once`, in one line; empty: nothing."""
    ends = [*sources, *required, *([letters] if letters else [])]
    if other := {end.type for end in ends} - {"kafka"}:
        return (
            "exactly_once needs a Kafka source, and Kafka sinks and dead letters wherever they are required; "
            f"found {', '.join(sorted(other))}"
        )
    if len(sources) != 1 or len(required) != 1:
        return (
            "exactly_once needs one source and one sink that is required (others can have `required: false`); "
            f"found {len(sources)} and {len(required)}"
        )
    if len({_cluster(end) for end in ends}) > 1:
        found = "; ".join(",".join(_cluster(end)) for end in ends)
        return f"exactly_once needs one cluster, named by the same bootstrap_servers; found {found}"
    if letters and _security(letters) != _security(required[0]):
        return "exactly_once needs one user for sink and dead letters; found another `security` in dead_letters"
    return ""


def _cluster(end: PluginConfig) -> tuple[str, ...]:
    return tuple(sorted(getattr(end, "bootstrap_servers", None) or ()))


def _security(end: PluginConfig) -> object:
    return getattr(end, "security", None)
