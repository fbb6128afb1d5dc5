"""The FPGAs of level-1 triggers: full part names and what they hold.

Capacities are those of AMD's product tables: DS890 ("UltraScale Architecture and Product Data Sheet: Overview") and
DS180 ("7 Series FPGAs Data Sheet: Overview"), or what AMD's own tools state as available in reports for the part.
A part whose numbers stand in none of them is not listed: of the Versal devices VC1902 and VM1802 are, and VP1802 is
not, because no document with its LUTs and block RAMs was found.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from l1ad.errors import ConfigurationError, nearest
from l1ad.records import Record

_DS890 = "AMD DS890, UltraScale Architecture and Product Data Sheet: Overview"
_DS180 = "AMD DS180, 7 Series FPGAs Data Sheet: Overview"


@dataclass(frozen=True)
class Part(Record):
    """An FPGA and its capacity.

    Attributes
    ----------
    device : str
        Short name, such as ``xcvu9p``.
    name : str
        Full name with package, speed grade and temperature range, as vendor tools want it.
    family : str
        ``virtex_ultrascale_plus``, ``kintex_ultrascale_plus``, ``zynq_ultrascale_plus``, ``kintex_ultrascale``,
        ``versal_ai_core``, ``versal_prime`` or ``virtex_7``.
    lut, ff, dsp, bram36, uram : int
        Six-input LUTs, flip-flops, DSP slices, 36-kbit block RAMs and 288-kbit UltraRAMs.
    slrs : int
        Super logic regions: dies on the interposer. Logic that crosses from one to another is slower.
    source : str
        Document that states the capacities.
    smallest_region : dict of str to int
        Resource -> what the smallest region holds, where the regions differ. Empty when all are equal.
    """

    device: str
    name: str
    family: str
    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int
    slrs: int
    source: str
    smallest_region: dict[str, int] = field(default_factory=dict)

    def capacity(self, resource: str) -> int:
        """Return what the part holds of ``lut``, ``ff``, ``dsp``, ``bram`` (36 kbit) or ``uram``.

        Raises
        ------
        ConfigurationError
            When `resource` is none of them.
        """
        held = {"lut": self.lut, "ff": self.ff, "dsp": self.dsp, "bram": self.bram36, "uram": self.uram}
        if resource not in held:
            raise ConfigurationError(f"resource {resource!r} is not known. {nearest(resource, held)}")
        return held[resource]

    def region(self, resource: str) -> float:
        """Return what one super logic region holds of `resource`, the smallest when they differ.

        Examples
        --------
        >>> resolve_part("xcvu9p").region("lut"), resolve_part("xcu55c").region("dsp")
        (394080.0, 2880.0)
        """
        return float(self.smallest_region.get(resource, self.capacity(resource) / self.slrs))


#: Device -> part. The full names are those of boards and projects of the trigger community.
PARTS: dict[str, Part] = {
    part.device: part
    for part in (
        Part(
            device="xcvu9p",
            name="xcvu9p-flga2104-2L-e",
            family="virtex_ultrascale_plus",
            lut=1_182_240,
            ff=2_364_480,
            dsp=6_840,
            bram36=2_160,
            uram=960,
            slrs=3,
            source=_DS890,
        ),
        Part(
            device="xcvu13p",
            name="xcvu13p-flga2577-2-e",
            family="virtex_ultrascale_plus",
            lut=1_728_000,
            ff=3_456_000,
            dsp=12_288,
            bram36=2_688,
            uram=1_280,
            slrs=4,
            source=_DS890,
        ),
        Part(
            device="xcvu7p",
            name="xcvu7p-flva2104-2-e",
            family="virtex_ultrascale_plus",
            lut=788_160,
            ff=1_576_320,
            dsp=4_560,
            bram36=1_440,
            uram=640,
            slrs=2,
            source="two of the regions that Vitis HLS states as 'Available SLR' for xcvu9p, of which it has the die",
        ),
        Part(
            device="xcu55c",
            name="xcu55c-fsvh2892-2L-e",
            family="virtex_ultrascale_plus",
            lut=1_303_680,
            ff=2_607_360,
            dsp=9_024,
            bram36=2_016,
            uram=960,
            slrs=3,
            source="'Available' in reports of Vitis HLS for the Alveo U280 and U55C (the die of xcvu37p)",
            # One die with the memory controllers, two of xcvu11p: Wikipedia, List of Xilinx FPGAs; the sum is right.
            smallest_region={"lut": 432_000, "ff": 864_000, "dsp": 2_880, "bram": 672, "uram": 320},
        ),
        Part(
            device="xczu9eg",
            name="xczu9eg-ffvb1156-2-e",
            family="zynq_ultrascale_plus",
            lut=274_080,
            ff=548_160,
            dsp=2_520,
            bram36=912,
            uram=0,
            slrs=1,
            source="'Available' in a report of Vivado HLS 2019.2 for xczu9eg-ffvb1156-2-e, the part of the ZCU102",
        ),
        Part(
            device="xcvc1902",
            name="xcvc1902-vsva2197-2MP-e-S",
            family="versal_ai_core",
            lut=899_840,
            ff=1_799_680,
            dsp=1_968,
            bram36=967,
            uram=463,
            slrs=1,
            source="'Available' in reports of Vivado for the VCK190 (AMD Vitis tutorials); 1968 DSP also in AMD UG1702",
        ),
        Part(
            device="xcvm1802",
            name="xcvm1802-vsva2197-2MP-e-S",
            family="versal_prime",
            lut=899_840,
            ff=1_799_680,
            dsp=1_968,
            bram36=967,
            uram=463,
            slrs=1,
            source="'Available' in AMD's VMK180 PCIe TRD tutorial (2021); 1968 DSP also in AMD AM004; "
            "two flip-flops a LUT: AMD AM005, CLB Resources",
        ),
        Part(
            device="xcku15p",
            name="xcku15p-ffva1760-2-e",
            family="kintex_ultrascale_plus",
            lut=522_720,
            ff=1_045_440,
            dsp=1_968,
            bram36=984,
            uram=128,
            slrs=1,
            source=_DS890,
        ),
        Part(
            device="xcku115",
            name="xcku115-flvb2104-2-i",
            family="kintex_ultrascale",
            lut=663_360,
            ff=1_326_720,
            dsp=5_520,
            bram36=2_160,
            uram=0,
            slrs=2,
            source=_DS890,
        ),
        Part(
            device="xc7vx690t",
            name="xc7vx690tffg1927-2",
            family="virtex_7",
            lut=433_200,
            ff=866_400,
            dsp=3_600,
            bram36=1_470,
            uram=0,
            slrs=1,
            source=_DS180,
        ),
    )
}


def resolve_part(name: str) -> Part:
    """Return the part that a device name or a full part name means.

    Parameters
    ----------
    name : str
        ``xcvu9p``, or a full name such as ``xcvu9p-flga2104-2L-e``. Another package or speed grade of a known device
        keeps the name that was given. Letters may be of either case; the case given stays in a full name.

    Raises
    ------
    ConfigurationError
        When the device is not known; the message lists the nearest names.

    Examples
    --------
    >>> resolve_part("xcvu9p").name
    'xcvu9p-flga2104-2L-e'
    >>> resolve_part("xcvu9p-flgb2104-2-i").lut
    1182240
    """
    device, rest = _split(name.strip())
    part = PARTS.get(device)
    if part is None:
        raise ConfigurationError(f"part {name!r} is not known. {nearest(name.lower(), _all_names())}")
    if not rest:
        return part
    _check_rest(name, rest, part)
    return Part(**{**part.to_dict(), "name": part.device + rest})


def _split(name: str) -> tuple[str, str]:
    """Split a full name into the device and the rest; 7-series names carry no dash before the package."""
    lowered = name.lower()
    candidates = [device for device in PARTS if lowered.startswith(device)]
    device = max(candidates, key=len, default="")
    return device, name[len(device) :]


def _check_rest(name: str, rest: str, part: Part) -> None:
    """Refuse a rest that is not package, speed grade and the like; it goes into Tcl."""
    dashed = part.family != "virtex_7"
    fields = rest.split("-")
    fits = (fields[0] == "") == dashed and all(field.isascii() and field.isalnum() for field in fields[dashed:])
    if not fits or len(fields) < 2:
        raise ConfigurationError(
            f"part {name!r} is not a full part name. Expected {part.device} or the form of {part.name}."
        )


def _all_names() -> list[str]:
    return [*PARTS, *(part.name for part in PARTS.values())]
