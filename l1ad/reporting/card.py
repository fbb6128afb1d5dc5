"""The card of a model: what it is, what its score fires on and what it does not, all from measured values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from l1ad.evaluation.content import ContentReport, ContentRow, StratumRow
from l1ad.reporting.cells import Cell, Table, number_with_error, percent_with_error, plain_percent, words
from l1ad.reporting.collect import RunReport
from l1ad.reporting.formatting import number, power, with_error
from l1ad.reporting.labels import SCORES, signal_name
from l1ad.reporting.markdown import markdown_table, markdown_text
from l1ad.reporting.tables import budget_table, ladder_table, signals_table, thresholds_table

#: How quantities of an event are written, and their units.
CONTENT_NAMES = {
    "electrons": ("electrons", ""),
    "muons": ("muons", ""),
    "leptons": ("leptons (e, μ)", ""),
    "jets": ("jets", ""),
    "met": ("missing transverse momentum", "GeV"),
    "lepton_pt": ("pT of the leading lepton", "GeV"),
    "jet_pt": ("pT of the leading jet", "GeV"),
    "jet_pt_sum": ("sum of the pT of the jets", "GeV"),
}
#: Rank correlations above which a score follows a quantity, and below which it does not.
FOLLOWS, IGNORES = 0.3, 0.1

_ARCHITECTURES = {
    "dense_vae": "encoder of a dense variational autoencoder",
    "cnn_vae": "encoder of a convolutional variational autoencoder",
    "dense_ae": "dense autoencoder",
    "cnn_ae": "convolutional autoencoder",
    "cicada_student": "convolutional student of an autoencoder, over 18 x 14 calorimeter regions",
    "feature_ae": "autoencoder of learned features",
    "imported": "network that was trained elsewhere",
}


@dataclass(frozen=True)
class CardFacts:
    """What a card says besides the report.

    Attributes
    ----------
    name, created : str
    commands : tuple of str
        What makes the model again.
    versions : dict of str to str
    weights : tuple of int, int
        Weights that are not zero, and all.
    """

    name: str
    created: str
    commands: tuple[str, ...]
    versions: dict[str, str]
    weights: tuple[int, int]


def render_card(report: RunReport, content: ContentReport, facts: CardFacts) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    report : RunReport
        With its evaluation; firmware, ladder and budget as far as they were measured.
    content : ContentReport
    facts : CardFacts
    """
    sections = [
        ("", _head(report, facts)),
        ("Network", markdown_table(_network(report, facts))),
        ("Training", _training(report, facts)),
        ("Signals", _signals(report)),
        ("Thresholds", _thresholds(report)),
        ("What the score fires on", _fires(content)),
        ("What it does not fire on", _does_not_fire(content)),
        ("Firmware", _firmware(report)),
        ("Use", _use(facts)),
        ("Limits", _limits(report)),
    ]
    lines = [f"# {facts.name}"]
    for title, body in sections:
        lines += ["", *([f"## {title}", ""] if title else []), *body]
    return "\n".join(lines) + "\n"


def _head(report: RunReport, facts: CardFacts) -> list[str]:
    network, score = report.config["network"], report.config["score"]
    what = _ARCHITECTURES.get(network["architecture"], network["architecture"])
    score_name = SCORES.get(score["kind"], score["kind"])
    sample = report.dataset.get("source_tag", "unknown")
    return [
        f"{what.capitalize()}, score {markdown_text(score_name)}, trained and measured on the sample `{sample}` on "
        f"{facts.created}.",
        "`l1ad export model` wrote this page; every number on it was measured in the run.",
    ]


def _network(report: RunReport, facts: CardFacts) -> Table:
    """Return shape, types and score."""
    network, score, inputs = (report.config[section] for section in ("network", "score", "inputs"))
    evaluation = report.evaluation
    regions = inputs.get("kind") == "regions"
    size, sign = (252, "u") if regions else (57, "")
    rows = [
        ("layers", _layers(network)),
        ("weights", f"{number(facts.weights[1])}, of which {number(facts.weights[0])} are not zero"),
        ("library", network["frontend"]),
        ("inputs", f"{size} of {sign}fixed<{inputs['width']},{inputs['integer']}>, made by inputs.json"),
        ("kernel, bias", f"{network['kernel']}, {network['bias']}"),
        ("activation", network["activation"]),
        (_last_kernel(network), network["latent_kernel"]),
        *_ends(network),
        ("score", f"{SCORES.get(score['kind'], score['kind'])}, {evaluation.score_type if evaluation else ''}"),
    ]
    if str(network["architecture"]).endswith("_ae"):
        rows[0] = (rows[0][0], f"{rows[0][1]}; and a decoder in firmware")
    return Table(("Property", "Value"), tuple((words(a), words(b)) for a, b in rows))


def _learns(network: Mapping[str, Any]) -> bool:
    """Return whether the network has learned features and an autoencoder of them."""
    return str(network["architecture"]) == "feature_ae"


def _last_kernel(network: Mapping[str, Any]) -> str:
    """Return what the layers with the quantizer `latent_kernel` are called."""
    names = {"feature_ae": "kernel of the autoencoder", "cicada_student": "kernel of the output"}
    return names.get(str(network["architecture"]), "latent kernel")


def _layers(network: Mapping[str, Any]) -> str:
    """Return the sizes of the layers."""
    if network["architecture"] == "cicada_student":
        student = network["student"]
        filters, latent = _joined(student["teacher_filters"]), student["teacher_latent"]
        return (
            f"convolution of 2 x 2 with stride 2 and {student['filters']} filters, dense {student['units']}, dense 1; "
            f"teacher: filters {filters}, latent {latent}"
        )
    cnn = str(network["architecture"]).startswith("cnn")
    shape = f"filters {_joined(network['filters'])}" if cnn else f"57, {_joined(network['hidden'])}"
    if _learns(network):
        shape += f"; features {network['features']}, learned by VICReg; their autoencoder "
        shape += _joined(network["feature_hidden"])
    return f"{shape}; latent {network['latent']}"


def _ends(network: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the quantizers in front of the score, and those that single layers have of their own."""
    if network["architecture"] == "cicada_student":
        found = [("output", network["output"])]
    elif str(network["architecture"]).endswith("_ae"):
        found = [("features", network["feature"])] if _learns(network) else []
        found += [("latent variables", network["mean"]), ("reconstruction", network["reconstruction"])]
    else:
        found = [("mean, log variance", f"{network['mean']}, {network['log_variance']}")]
    for name, own in network["layers"].items():
        found.append((name, ", ".join(str(value) for value in own.values() if value is not None)))
    return found


def _joined(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _training(report: RunReport, facts: CardFacts) -> list[str]:
    """Return events, recipe, and the commands."""
    counts, training = report.dataset.get("counts", {}), report.config["training"]
    teacher = training["score_teacher"] if training["score_share"] else "none"
    done = report.training
    text = (
        f"Background events: {number(counts.get('train', 0))} for training, {number(counts.get('validation', 0))} for "
        f"validation, {number(counts.get('test', 0))} for the test; the parts are drawn by a hash of the event. No "
        f"signal was trained on. Score teacher: {teacher}. Seed {report.config['seed']}."
    )
    if done.get("epochs"):
        text += f" {number(done['epochs'])} epochs, {done['seconds']:.0f} s."
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return [text, "", "```", *facts.commands, "```", "", f"Versions: {versions}."]


def _signals(report: RunReport) -> list[str]:
    if report.evaluation is None:
        return ["Not measured."]
    return markdown_table(signals_table(report.evaluation, report.teacher))


def _thresholds(report: RunReport) -> list[str]:
    """Return the raw thresholds and what to be warned of."""
    if report.evaluation is None:
        return ["Not measured."]
    lines = ["An event fires when its raw score is at least the raw threshold.", ""]
    lines += markdown_table(thresholds_table(report.evaluation))
    return lines + [line for warning in report.evaluation.warnings for line in ("", f"> {markdown_text(warning)}")]


def _fires(content: ContentReport) -> list[str]:
    """Return what the background above the threshold is, against what is below."""
    lines = [
        f"Background at the raw threshold {content.raw} (target FPR {power(content.target_fpr)}): "
        f"{number(content.events_above)} events fire. Means with the errors of the means; the correlation is "
        "Spearman's, of the quantity with the score over all background events.",
        "",
        *markdown_table(_content_table(content.rows)),
        "",
    ]
    ordered = sorted(content.rows, key=lambda row: -abs(row.correlation))
    follows = [row for row in ordered if abs(row.correlation) >= FOLLOWS]
    lines.append(
        f"The score follows {_listed(follows)}." if follows else "The score follows none of these quantities closely."
    )
    if content.processes:
        rows = tuple(
            (words(row.process), plain_percent(row.share), percent_with_error(row.above, row.above_error))
            for row in content.processes
        )
        lines += ["", *markdown_table(Table(("Process", "Of all background", "Of what fires"), rows))]
    return lines


def _content_table(rows: Sequence[ContentRow]) -> Table:
    """Return the means above and below the threshold."""
    found = []
    for row in rows:
        name, unit = CONTENT_NAMES.get(row.quantity, (row.quantity, ""))
        above = number_with_error(row.above, row.above_error, unit)
        below = number_with_error(row.below, row.below_error, unit)
        found.append((words(name), above, below, Cell(f"{row.correlation:+.2f}", row.correlation)))
    return Table(("Quantity", "Fires", "Does not fire", "Rank correlation with the score"), tuple(found))


def _listed(rows: Sequence[ContentRow]) -> str:
    """Return names with their correlations."""
    names = [f"{CONTENT_NAMES.get(row.quantity, (row.quantity, ''))[0]} ({row.correlation:+.2f})" for row in rows]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _does_not_fire(content: ContentReport) -> list[str]:
    """Return efficiencies by content, and where they are lowest."""
    lines = ["Efficiency of each sample at each threshold:", "", *markdown_table(_efficiency_table(content)), ""]
    lines += [
        f"Efficiency by content at the raw threshold {content.raw} (target FPR {power(content.target_fpr)}):",
        "",
        *markdown_table(_strata_table(content)),
        "",
    ]
    ignored = [row for row in content.rows if abs(row.correlation) < IGNORES]
    if ignored:
        lines.append(f"- The score does not follow {_listed(ignored)}.")
    for name in dict.fromkeys(row.sample for row in content.strata):
        if name != "background":
            lowest = min((row for row in content.strata if row.sample == name), key=lambda row: row.efficiency)
            value, error = with_error(100 * lowest.efficiency, 100 * lowest.error)
            lines.append(f"- {signal_name(name)} fires least with {_stratum(lowest)}: {value} ± {error} %.")
    return lines


def _efficiency_table(content: ContentReport) -> Table:
    """Return one row a sample, one column a threshold."""
    targets = list(dict.fromkeys(row.target_fpr for row in content.efficiencies))
    samples = list(dict.fromkeys(row.sample for row in content.efficiencies))
    found = {(row.sample, row.target_fpr): row for row in content.efficiencies}
    rows = tuple(
        (
            words(signal_name(name)),
            *(percent_with_error(found[name, t].efficiency, found[name, t].error) for t in targets),
        )
        for name in samples
    )
    return Table(("Sample", *(f"target FPR {power(t)}" for t in targets)), rows)


def _strata_table(content: ContentReport) -> Table:
    """Return one row a stratum, one column a sample."""
    samples = list(dict.fromkeys(row.sample for row in content.strata))
    found = {(row.sample, _stratum(row)): row for row in content.strata}
    rows = []
    order = list(dict.fromkeys(row.quantity for row in content.strata))
    ordered = sorted(content.strata, key=lambda row: (order.index(row.quantity), row.low))
    for stratum in dict.fromkeys(_stratum(row) for row in ordered):
        cells: list[Any] = []
        for name in samples:
            row = found.get((name, stratum))
            cells.append(words("too few events") if row is None else percent_with_error(row.efficiency, row.error))
        rows.append((words(stratum), *cells))
    return Table(("Events with", *(signal_name(name) for name in samples)), tuple(rows))


def _stratum(row: StratumRow) -> str:
    """Return a stratum in words.

    Examples
    --------
    >>> _stratum(StratumRow("background", "jets", 2, 4, 100, 0.1, 0.03))
    'jets: 2 to 3'
    >>> _stratum(StratumRow("background", "met", 60, None, 100, 0.1, 0.03))
    'missing transverse momentum: 60 GeV or more'
    """
    name, unit = CONTENT_NAMES.get(row.quantity, (row.quantity, ""))
    if row.high is None:
        return f"{name}: {row.low:g}{f' {unit}' if unit else ''} or more"
    # Counts are whole numbers: below 4 is 3.
    last = row.high if unit else row.high - 1
    return f"{name}: {row.low:g}" if last == row.low else f"{name}: {row.low:g} to {last:g}{f' {unit}' if unit else ''}"


def _firmware(report: RunReport) -> list[str]:
    """Return what was measured of the firmware."""
    lines = []
    if report.bits is not None:
        lines += [*markdown_table(_without(ladder_table(report.bits), "Events per second")), ""]
    if report.budget is not None:
        lines += [*markdown_table(budget_table(report)), ""]
    for project in report.firmware:
        for found in project.estimates:
            lines.append(f"- {project.backend}: {found.name} {found}, by {markdown_text(found.source)}")
    return lines or ["Not converted in the run of this card."]


def _without(table: Table, column: str) -> Table:
    """Return the table without a column: throughput belongs to a machine, not to a model."""
    kept = [index for index, name in enumerate(table.columns) if name != column]
    return Table(tuple(table.columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in table.rows))


def _use(facts: CardFacts) -> list[str]:
    folder = facts.commands[-1].split()[-1]
    return [
        "```",
        f"l1ad check {folder}                      # digests, weights, scores of recorded events",
        f"l1ad convert {folder} --part xcvu9p      # firmware of these weights",
        f"l1ad run {folder}                        # all stages with these weights",
        "```",
    ]


def _limits(report: RunReport) -> list[str]:
    """Return what a reader has to know of the sample."""
    warnings = [f"- {markdown_text(text)}" for text in report.dataset.get("warnings", [])]
    return [
        *warnings,
        "- Rates are those of the sample's selection: events outside of it are not counted.",
        "- AUC and efficiencies hold for these signals; another anomaly has another efficiency.",
    ]
