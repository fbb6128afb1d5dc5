"""Part names and capacities."""

from __future__ import annotations

import pytest

from l1ad.errors import ConfigurationError
from l1ad.hardware.parts import PARTS, Part, resolve_part


def test_short_name_becomes_the_full_part() -> None:
    part = resolve_part("xcvu9p")
    assert part.name == "xcvu9p-flga2104-2L-e"
    assert (part.lut, part.ff, part.dsp, part.bram36, part.uram, part.slrs) == (1182240, 2364480, 6840, 2160, 960, 3)
    assert "DS890" in part.source


@pytest.mark.parametrize("device", sorted(PARTS))
def test_full_name_returns_the_same_part(device: str) -> None:
    part = resolve_part(device)
    assert resolve_part(part.name) == part
    assert part.ff == 2 * part.lut  # every slice of these families has two flip-flops a LUT
    assert part.lut % 8 == 0
    assert Part.from_dict(part.to_dict()) == part


def test_another_package_keeps_its_name() -> None:
    part = resolve_part("XCVU9P-flgb2104-2-i")
    assert part.name == "xcvu9p-flgb2104-2-i"
    assert part.lut == PARTS["xcvu9p"].lut
    assert resolve_part("xc7vx690tffg1761-3").name == "xc7vx690tffg1761-3"


def test_unknown_part_lists_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="xcvu9p"):
        resolve_part("xcvu9")
    with pytest.raises(ConfigurationError, match="'xc7a35t' is not known"):
        resolve_part("xc7a35t")


@pytest.mark.parametrize("name", ["xcvu9p-", "xcvu9p-flga2104;exec-2", "xcvu9pq", "xcvu9p-flga2104", "", "xc7vx690t-2"])
def test_malformed_names(name: str) -> None:
    if name == "xcvu9p-flga2104":
        assert resolve_part(name).name == name
        return
    with pytest.raises(ConfigurationError):
        resolve_part(name)


@pytest.mark.parametrize("device", sorted(PARTS))
def test_regions_make_no_more_than_the_part(device: str) -> None:
    part = PARTS[device]
    for resource in ("lut", "ff", "dsp", "bram", "uram"):
        assert part.region(resource) * part.slrs <= part.capacity(resource)
        assert part.region(resource) * part.slrs >= 0.95 * part.capacity(resource)
    with pytest.raises(ConfigurationError, match="resource 'luts' is not known"):
        part.capacity("luts")


@pytest.mark.parametrize(
    ("device", "region"), [("xcvu9p", 394_080), ("xcvu7p", 394_080), ("xcvu13p", 432_000), ("xcku115", 331_680)]
)
def test_luts_of_one_region(device: str, region: int) -> None:
    assert PARTS[device].region("lut") == region


def test_u55c_is_the_sum_of_its_dies() -> None:
    part = PARTS["xcu55c"]
    assert part.lut == 439_680 + 2 * part.region("lut")
    assert part.dsp == part.region("dsp") + 2 * 3_072
