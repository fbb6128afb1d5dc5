"""The table of the quantized tensors of a network, on the terminal."""

from __future__ import annotations

from pathlib import Path

#: Share of saturated values above which a note is written.
_MANY = 0.01


def show_layers(folder: Path) -> None:
    """Show ``layers.json`` of a training; nothing for a float network, which has none.

    Parameters
    ----------
    folder : Path
        Folder of the stage train.
    """
    from l1ad.cli.terminal import note, show_table
    from l1ad.networks.layer_ranges import LayerRanges
    from l1ad.training.record import LAYERS_FILE

    if not (folder / LAYERS_FILE).is_file():
        return
    ranges = LayerRanges.read(folder / LAYERS_FILE)
    columns = ("layer", "tensor", "type", "bits", "range seen", "needs", "saturated", "zeros", "noise", "S/N in dB")
    rows = [
        (
            row.layer,
            row.tensor,
            str(row.type),
            f"{row.bits:.3g}",
            f"{row.minimum:.3g} to {row.maximum:.3g}",
            str(row.range_bits),
            f"{100 * row.saturated / row.values:.2g} %",
            f"{100 * row.zeros:.2g} %",
            f"{row.noise:.2g}",
            "-" if row.signal_to_noise_db is None else f"{row.signal_to_noise_db:.1f}",
        )
        for row in ranges.tensors
    ]
    title = f"quantizers on {ranges.events} {ranges.part} events"
    show_table(title, columns, rows, numeric=columns[3:4] + columns[5:])
    for row in ranges.tensors:
        if row.saturated > _MANY * row.values:
            share = 100 * row.saturated / row.values
            note(f"warning: layer {row.layer}, {row.tensor}: {share:.0f} % of values saturate in {row.type}")
