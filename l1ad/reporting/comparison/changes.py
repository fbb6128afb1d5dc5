"""What is not the same in two runs: configuration, events, versions of tools, code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from l1ad.provenance import value_digest
from l1ad.reporting.collect import RunReport
from l1ad.reporting.comparison.records import Change
from l1ad.reporting.dataset import dataset_source
from l1ad.reporting.formatting import short_digest
from l1ad.reporting.labels import BACKENDS, RUNGS

#: What stands where a run has no value.
ABSENT = "absent"


def changes_of(reports: Sequence[RunReport]) -> tuple[Change, ...]:
    """Return what differs between the reports, key by key; the configuration first."""
    found = [*_differing("configuration", [flat(report.config) for report in reports])]
    found += _differing("data", [_data(report) for report in reports])
    found += _differing("score", [_score(report) for report in reports])
    found += _differing("design", [_designs(report) for report in reports])
    found += _differing("tool", [_tools(report) for report in reports])
    found += _differing("version", [report.versions for report in reports])
    return (*found, *_code(reports))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested mappings as one, keys joined by points and values as text.

    Examples
    --------
    >>> flat({"network": {"hidden": [32, 16]}, "seed": 1})
    {'network.hidden': '[32, 16]', 'seed': '1'}
    """
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def data_digest(report: RunReport) -> str:
    """Return a digest of the events that were scored; empty when the report does not say which they were.

    It covers the label of the source, the digests of the event files, and how many events of each kind were scored.
    How the inputs are written as integers is not part of it.
    """
    dataset = report.dataset
    if not dataset_source(report) and not dataset.get("sources"):
        return ""
    counts = dataset.get("counts") or {}
    return value_digest(
        {
            "label": dataset_source(report),
            "sources": sorted(map(str, (dataset.get("sources") or {}).values())),
            "test": counts.get("test"),
            "signals": dataset.get("signals") or {},
        }
    )


def same_events(first: RunReport, second: RunReport) -> bool:
    """Return whether two runs scored the same events, as far as their reports say.

    Without a record of the events the answer is no. With one input contract the integers have to agree as well.
    """
    if not data_digest(first) or data_digest(first) != data_digest(second):
        return False
    if first.dataset.get("contract_digest") != second.dataset.get("contract_digest"):
        return True
    return _scored_files(first) == _scored_files(second)


def _scored_files(report: RunReport) -> dict[str, str]:
    """Return the digests of the integers that were scored."""
    files = report.dataset.get("files") or {}
    return {name: digest for name, digest in files.items() if str(name).startswith(("test_", "signal_"))}


def _data(report: RunReport) -> dict[str, str]:
    """Return what describes the events; digests are cut short where they agree to their first digits anyway."""
    dataset = report.dataset
    found = {"source": dataset_source(report)} if dataset else {}
    found |= {f"events.{name}": str(count) for name, count in (dataset.get("counts") or {}).items()}
    found |= {f"events.{name}": str(count) for name, count in (dataset.get("signals") or {}).items()}
    found |= {f"file.{name}": _short(digest) for name, digest in (dataset.get("sources") or {}).items()}
    found |= {f"integers.{name}": _short(digest) for name, digest in _scored_files(report).items()}
    if "contract_digest" in dataset:
        found["input contract"] = _short(dataset["contract_digest"])
    return found


def _short(digest: object) -> str:
    """Return the beginning of a digest."""
    return short_digest(str(digest))


def _score(report: RunReport) -> dict[str, str]:
    """Return what was scored, in which type, at which working point."""
    evaluation = report.evaluation
    if evaluation is None:
        return {}
    return {
        "score": evaluation.score,
        "type": str(evaluation.score_type),
        "working FPR": f"{evaluation.working_fpr:g}",
        "sample": evaluation.sample,
    }


def _designs(report: RunReport) -> dict[str, str]:
    """Return part, clock, stages and digest of each firmware project."""
    found: dict[str, str] = {}
    for project in report.firmware:
        name = BACKENDS.get(project.backend, project.backend)
        found |= {
            f"{name}: part": project.part,
            f"{name}: clock": f"{project.clock_ns:g} ns",
            f"{name}: output": str(project.output_type),
            f"{name}: digest": short_digest(project.digest),
        }
        if project.stages:
            found[f"{name}: pipeline stages"] = str(project.stages)
    return found


def _tools(report: RunReport) -> dict[str, str]:
    """Return the version of each engine and tool that took part."""
    found = {BACKENDS.get(project.backend, project.backend): project.engine for project in report.firmware}
    designs = {project.digest: project.backend for project in report.firmware}
    for rung in report.bits.rungs if report.bits is not None else ():
        found[RUNGS.get(rung.rung, rung.rung)] = rung.engine
    for synthesis in report.synthesis:
        design = BACKENDS.get(designs.get(synthesis.project_digest, ""), "unknown design")
        found[f"{design}: {synthesis.stage}"] = f"{synthesis.tool} {synthesis.version}".strip()
    return found


def _code(reports: Sequence[RunReport]) -> Iterator[Change]:
    """Yield the stages that read the same in the run and still are not the same: their code, or event files, differ."""
    first = reports[0]
    for stage, key in first.digests.items():
        texts = ["baseline"]
        for report in reports[1:]:
            known = first.inputs.get(stage), report.inputs.get(stage)
            same = report.digests.get(stage, key) == key or None in known or known[0] != known[1]
            texts.append("no difference seen" if same else "differs")
        if "differs" in texts:
            yield Change("code", stage, tuple(texts))


def _differing(kind: str, values: Sequence[Mapping[str, str]]) -> Iterator[Change]:
    """Yield the keys whose values are not the same everywhere; a run without any value of the kind is left out."""
    if not any(values):
        return
    for key in dict.fromkeys(key for found in values for key in found):
        texts = tuple(str(found.get(key, ABSENT)) for found in values)
        if len(set(texts)) > 1:
            yield Change(kind, key, texts)
