"""A lab file with an optimum in place: `load` of the text gives exactly the experiment with the new values."""

from types import SimpleNamespace

import pytest

import darkstate as ds
from darkstate.errors import ArgumentError
from darkstate.report.optimise import Optimum
from darkstate.report.optimise_table import _unwritten
from darkstate.studies.best_lab import best_lab

LAB = """# a comment that stays
experiment = "cesium_cells"
default_case = "weak"

[ensembles]
optical_depth = "55 +- 2"  # measured
[drive]
z = 2.5
rate = "2 /s"
[noise]
gamma_tilde = "193 /s"
t2_dark = "40 ms"
[second.drive]
rate = "1.5 /s"
[protocol]
points = 61
[[protocol.segments]]
kind = "drive"
duration = "20 ms"  # the pulse
[[protocol.segments]]
kind = "dark"
duration = "5 ms"

[cases.weak.drive]
z = 2.0
[cases.strong.drive]
rate = "4 /s"
[cases.strong.second.drive]
rate = "3 /s"
"""
VALUES = {
    "ensembles.optical_depth": 50 / 3,
    "drive.z": 7 / 3,
    "drive.rate": 1700 / 3,
    "second.drive.rate": 2 / 3,
    "pump.rate": 10 / 3,
    "protocol.segments.1.duration": 1e-2 / 3,
}
UNITS = {key: "s" if "duration" in key else "1/s" if "rate" in key else "1" for key in VALUES}


def numbers(experiment):
    from darkstate.studies.sensitivity import float_keys

    return {key: float(ds.experiments.values.value_at(experiment, key)) for key in float_keys(experiment)}


@pytest.mark.parametrize("case", ["weak", "strong"])
@pytest.mark.parametrize("overrides", [(), ("noise.t2_dark=30 ms", "drive.z=3", "repump.rate=5 /s")])
def test_reads_back_as_the_optimum(tmp_path, case, overrides):
    """Cases, [set], segments, a second cell, a key the file leaves out, an uncertain number."""
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    lab = ds.load(path, case=case, overrides=overrides)
    text = best_lab(lab, VALUES, UNITS, note="best")
    path.write_text(text)
    found = ds.load(path)
    assert found.case == case
    assert numbers(found.experiment) == pytest.approx(numbers(ds.with_values(lab.experiment, VALUES)), rel=1e-12)
    assert [s.kind for s in found.experiment.protocol.segments] == ["drive", "dark"]
    assert found.uncertainties == {"ensembles.optical_depth": 2.0}
    assert "# a comment that stays" in text and "# measured" in text and text.count("# best") == len(VALUES)


def test_a_value_inside_braces_gives_no_file_but_the_line_to_type(tmp_path):
    """The table then says what is to be given to the commands instead."""
    path = tmp_path / "lab.toml"
    path.write_text(
        LAB.replace('[drive]\nz = 2.5\nrate = "2 /s"\n', "")
        .replace("# a comment", "#", 1)
        .replace('default_case = "weak"\n', 'default_case = "weak"\ndrive = { z = 2.5, rate = "2 /s" }\n')
    )
    lab = ds.load(path, overrides=["noise.t2_dark=30 ms"])
    with pytest.raises(ArgumentError, match="drive.rate stands inside braces"):
        best_lab(lab, {"drive.rate": 3.0}, {"drive.rate": "1/s"}, note="best")
    spec = SimpleNamespace(unit="1/s")
    variable = SimpleNamespace(key="drive.rate")
    study = SimpleNamespace(lab=lab, name="study")
    problem = SimpleNamespace(study=study, name="xi", spec=lambda _: spec, grid=None, variables=(variable,))
    found = Optimum(SimpleNamespace(problem=problem, places=[[3.0]]))
    (said,) = _unwritten(found)
    assert "no optimum.toml is written: drive.rate stands inside braces" in said
    assert said.endswith("--case weak --set 'noise.t2_dark=30 ms' --set 'drive.rate=3 /s'")
