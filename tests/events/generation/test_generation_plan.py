"""Mixtures, strata and cards: what is asked for is what is generated, and mistakes are named."""

from __future__ import annotations

import pytest

from l1ad.errors import ConfigurationError, DataError, ToolMissingError
from l1ad.events.generation import pythia
from l1ad.events.generation.plan import apportion, plan_samples
from l1ad.events.generation.processes import BACKGROUND, PROCESSES, SIGNALS


def test_the_shares_of_every_process_add_up():
    assert sum(BACKGROUND.values()) == pytest.approx(1)
    for process in PROCESSES.values():
        assert sum(stratum.share for stratum in process.strata) == pytest.approx(1)


def test_codes_and_stream_names_are_unique():
    codes = [process.code for process in PROCESSES.values()]
    assert len(set(codes)) == len(codes)
    streams = [s.name for found in plan_samples(tuple(PROCESSES), 100, 100).values() for s in found]
    assert len(set(streams)) == len(streams)


def test_the_background_has_the_published_fractions():
    streams = plan_samples(("background",), 100_000, 1)["background"]
    counts = {name: sum(s.events for s in streams if s.process.name == name) for name in BACKGROUND}
    assert counts == {"W": 59_200, "QCD": 33_800, "Z": 6_700, "tt": 300}


def test_the_default_is_the_background_and_four_signals():
    samples = plan_samples(("background", *SIGNALS), 1000, 50)
    assert {name: sum(s.events for s in found) for name, found in samples.items()} == {
        "background": 1000, "Ato4l": 50, "LQbtau": 50, "htautau": 50, "hchtaunu": 50,
    }  # fmt: skip


@pytest.mark.parametrize("total", [1, 2, 7, 100, 99_999])
def test_apportioned_numbers_add_up(total):
    assert sum(apportion(total, list(BACKGROUND.values()))) == total


def test_only_the_last_chunk_is_smaller():
    stream = plan_samples(("tt",), 5_001, 1)["tt"][0]
    assert stream.chunks() == [2000, 2000, 1001]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("hchtaunnu",), "Did you mean hchtaunu"),
        (("W", "W"), "named twice"),
        (("background", "W"), "part of the background"),
        ((), "nothing to generate"),
    ],
)
def test_wrong_names_are_refused(names, message):
    with pytest.raises(ConfigurationError, match=message):
        plan_samples(names, 100, 100)


@pytest.mark.parametrize("numbers", [(0, 10), (10, 0), (-1, 10)])
def test_no_events_is_refused(numbers):
    with pytest.raises(ConfigurationError, match="at least 1"):
        plan_samples(("W",), *numbers)


def test_a_missing_library_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(pythia, "LIBRARIES", ("numpy", "pythia9"))
    with pytest.raises(ToolMissingError, match=r"pythia9.*pip install 'l1ad\[generate\]'"):
        pythia.require_libraries()


class TestCards:
    @pytest.fixture
    def read(self, tmp_path):
        pytest.importorskip("pythia8mc", reason="the extra `generate` is not installed")
        from l1ad.events.generation.cards import read_card

        def write(text: str, name: str = "wprime.cmnd"):
            path = tmp_path / name
            path.write_text(text)
            return read_card(path)

        return write

    def test_a_card_becomes_a_process(self, read):
        card = read(
            "! a comment\nNewGaugeBoson:ffbar2Wprime = on   ! comment\n34:m0 = 500.\n34:onMode = off\n34:onIfAny = 11\n"
        )
        assert card.name == "wprime"
        assert card.strata[0].settings[:2] == ("NewGaugeBoson:ffbar2Wprime = on", "34:m0 = 500.")
        assert sum(s.events for s in plan_samples((), 500, 1, card)["wprime"]) == 500

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("WeakSingleBoson:ffbar2WW = on", r"line 2: .*no such setting. Did you mean WeakSingleBoson:ffbar2W"),
            ("HardQCD:all = onn", "line 2: .*expected on or off"),
            ("PhaseSpace:pTHatMin = 20 GeV", "line 2: .*expected a number, without a unit"),
            ("Tune:pp = 999", "line 2: .*outside the range"),
            ("Tune:pp = 1.5", "line 2: .*expected a whole number"),
            ("24:onIfAni = 11", "line 2: .*no such property. Did you mean onIfAny"),
            ("24:m0 = 80 GeV", "line 2: .*expected a number"),
            ("9999999:m0 = 80", "line 2: .*knows no particle with the code 9999999"),
            ("24m0 = 80", "line 2: .*expected `code:property = value`"),
            ("Random:seed = 3", "line 2: .*give --seed"),
            ("PartonLevel:MPI = off", "line 2: .*give --full"),
            ("PhaseSpace:bias2Selection = on", "line 2: .*weights"),
            ("HardQCD:all", "line 2: .*no value"),
        ],
    )
    def test_a_mistake_is_named_with_its_line(self, read, line, message):
        with pytest.raises(ConfigurationError, match=message):
            read(f"WeakSingleBoson:ffbar2W = on\n{line}\n")

    def test_a_card_without_a_process_is_refused(self, read):
        with pytest.raises(ConfigurationError, match="no hard process"):
            read("24:onMode = off\n")

    def test_a_card_without_settings_is_refused(self, read):
        with pytest.raises(DataError, match="holds no setting"):
            read("! nothing\n")

    def test_the_name_of_the_card_is_checked(self, read):
        with pytest.raises(Exception, match="not usable in file names"):
            read("WeakSingleBoson:ffbar2W = on\n", "my card.cmnd")

    def test_a_card_that_is_not_there(self, tmp_path):
        pytest.importorskip("pythia8mc", reason="the extra `generate` is not installed")
        from l1ad.events.generation.cards import read_card

        with pytest.raises(DataError, match="not readable"):
            read_card(tmp_path / "absent.cmnd")
