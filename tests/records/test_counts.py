"""Count tables: what is written comes back, and every wrong table is refused in one sentence with file and line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from darkstate.errors import ArgumentError, InputError
from darkstate.records import guard, sources
from darkstate.records.counts import check_counts, count_table, group_of, read_counts, save_counts

COUNTS = [[60, 70, 170], [62, 23, 215], [0, 0, 300], [59, 72, 169]]
SETTINGS = {
    "theta": [0.0, np.pi / 10, 1 / 3, 2 * np.pi],
    "tau": [0.0, 1.62e-6, 2.5e-6, 1e-5 / 3],
    "time": [0.0, 1e-4, 0.1, 0.1 / 3],
    "detuning_hz": [-2e5, -500.0, 0.0, 71e3 / 3],
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("ending", [".csv", ".nc"])
@pytest.mark.parametrize("group", [None, ["a", "b", "b", "a"]])
def test_what_is_written_comes_back(name, ending, group, tmp_path):
    """All of it, to the last bit, though the columns of a file have other units."""
    data = count_table(COUNTS, group=group, **{name: SETTINGS[name]})
    back = read_counts(save_counts(data, tmp_path / f"a{ending}"))
    assert back.identical(data)
    assert (group is None) == ("group" not in back.coords)


@pytest.mark.parametrize("name", SETTINGS)
def test_random_settings_come_back_to_the_last_bit(name, tmp_path):
    """1000 of 1e-15 to 6 in SI units, and zeros as np.arange leaves them."""
    rng = np.random.default_rng(3)
    x = np.concatenate([10 ** rng.uniform(-15, 0.75, 1000), [1.77635683940025e-13, 5e-324, 0.0]])
    sign = rng.choice([-1, 1], len(x)) if name == "detuning_hz" else 1
    data = count_table(np.tile([1, 2, 3], (len(x), 1)), **{name: sign * x})
    assert read_counts(save_counts(data, tmp_path / "a.csv")).identical(data)


@pytest.mark.parametrize("column, unit", [("theta_rad", 1), ("tau_us", 1e-6), ("t_ms", 1e-3), ("detuning_khz", 1e3)])
def test_exponents_in_every_column(column, unit, tmp_path):
    """What np.arange(-20, 20.1, 0.1) and the like write; counts too."""
    written = ["1.8e-13", "8.1e-07", "1e-5", "1.77635683940025E-13", "2.5", "+1.5e0", ".5"]
    path = tmp_path / "a.csv"
    path.write_text(f"{column},shots,n0,n1,n2\n" + "".join(f"{cell},6e0,1,0.2e1,3\n" for cell in written))
    (x,) = (v.values for k, v in read_counts(path).coords.items() if k != "atoms")
    assert x == pytest.approx([float(cell) * unit for cell in written], rel=2.3e-16, abs=0)


@pytest.mark.parametrize("bad", ["1e", "1e5e3", "e3", "1 e 3", "1e999", "-", "0x10", "1e" + "0" * 5000])
def test_what_is_no_number(bad, tmp_path):
    (tmp_path / "a.csv").write_text(f"detuning_khz,shots,n0,n1,n2\n{bad},6,1,2,3\n")
    with pytest.raises(InputError, match="a.csv:2: detuning_khz = .* is not a finite number; correct the cell"):
        read_counts(tmp_path / "a.csv")


TABLE = [
    ["theta_rad", "shots", "n0", "n1", "n2", "group"],
    ["0", "6", "1", "2", "3", "a"],
    ["1.5", "4", "0", "0", "4", "a"],
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "; ", " , "])
@pytest.mark.parametrize("first", ["", "sep={}\n", '"sep={}"\r\n', "# run 7, cold\n"])
@pytest.mark.parametrize("after", [0, 2])
def test_what_spreadsheets_write(separator, first, after, tmp_path):
    """Separators, sep= on the first line, empty columns at the end and rows below, a comment quoted for its comma."""
    empty = separator * after
    lines = [separator.join(row) + empty for row in [*TABLE, [""] * 6]]
    path = tmp_path / "a.csv"
    text = first.format(separator.strip(" ")) + "\n".join([lines[0], '"# shutter, late"' + empty, *lines[1:], "\xa0"])
    path.write_bytes(("\ufeff" + text).encode())
    wanted = count_table([[1, 2, 3], [0, 0, 4]], theta=[0, 1.5], group=["a", "a"])
    assert read_counts(path).identical(wanted)
    path.write_text(text.replace("theta_rad", " Theta_Rad").replace("n0", "N0 ").replace("group", '"Group"'))
    assert read_counts(path).identical(wanted)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_decimal_comma_is_refused(separator, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("theta_rad;shots;n0;n1;n2\n0,3142;6;1;2;3\n".replace(";", separator))
    with pytest.raises(InputError, match="a.csv:2: theta_rad = '0,3142' has a decimal comma; write numbers with a dec"):
        read_counts(path)


def test_workbooks_are_refused(tmp_path):
    """By their first bytes (zip, OLE2), whatever they are called."""
    for start, kind in ((b"PK\x03\x04", "xlsx"), (b"\xd0\xcf\x11\xe0", "xls")):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(start + bytes(100))
        with pytest.raises(InputError, match=rf"a.{kind}: is a spreadsheet \(.{kind}.*\); save as CSV"):
            read_counts(path)


def test_a_single_setting_and_a_repeated_one(tmp_path):
    """Legitimate: one pulse area, and the same area measured again."""
    path = tmp_path / "a.csv"
    path.write_text(HEAD + "1.57,300,60,70,170\n")
    assert read_counts(path).theta.values.tolist() == [1.57]
    path.write_text(GROUPS + "1.57,300,60,70,170,a\n1.57,300,60,70,170,a\n")
    assert read_counts(path).counts.values.tolist() == [[60, 70, 170]] * 2


@pytest.mark.parametrize("groups", [None, ["a", "a", "b", "b"]])
def test_results_of_a_fit_are_a_table_again(groups, tmp_path):
    """The layout of `darkstate reconstruct --out`: `group` is the axis of fits, `run` that of each setting."""
    data = count_table(COUNTS, theta=SETTINGS["theta"], group=groups)
    names = sorted(set(groups or ["all"]))
    found = data.rename({"group": "run"} if groups else {})
    found = found.assign_coords(group=names, fidelity_grid=np.linspace(0, 1, 41))
    found["chi2"] = ("group", "fidelity_grid"), np.zeros((len(names), 41))
    found["sector"] = "setting", np.zeros(4)
    found.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    assert read_counts(tmp_path / "fit.nc").identical(data)
    with pytest.raises(InputError, match="the data: `group` must name the run of each setting"):
        check_counts(found)


def test_datasets_that_are_no_tables():
    data = count_table(COUNTS, theta=[0, 1, 2, 3])
    for wrong, said in (
        (None, "holds no count table"),
        (data.counts, "holds no count table"),
        (data.drop_vars("theta"), "has the settings none"),
        (data.assign_coords(tau=("setting", [0.0, 1, 2, 3])), "has the settings theta, tau; keep the one"),
        (data.assign_coords(theta=("setting", list("abcd"))), "theta must be numbers, but has type"),
        (data.assign_coords(atoms=[2, 1, 0]), "the axis `atoms` must be 0, 1, 2"),
        (data.isel(atoms=slice(2)), r"must have the axes \(setting, atoms\)"),
        (data.assign(counts=data.counts.astype(str)), "whole numbers, but have type"),
    ):
        with pytest.raises(InputError, match=said) as refusal:
            check_counts(wrong)
        assert len(refusal.value.problems) == 1


def test_a_file_by_hand(tmp_path):
    """Comments, a byte order mark, blanks, any order of columns, whole numbers with a point."""
    path = tmp_path / "a.csv"
    path.write_text(
        "\ufeff# run 7\nn0, n1, n2, shots, detuning_khz\n1,2,3,6,-2.5\n\n# pause\n4.0,5,6,15,1e2\n", "utf-8"
    )
    data = read_counts(path)
    assert data.detuning_hz.values.tolist() == [-2500.0, 100e3]
    assert data.counts.values.tolist() == [[1, 2, 3], [4, 5, 6]]


HEAD = "theta_rad,shots,n0,n1,n2\n"
GROUPS = "theta_rad,shots,n0,n1,n2,group\n"


@pytest.mark.parametrize(
    "text, said",
    [
        (HEAD + "0,300,60,70,171\n", r"a.csv:2: n0 \+ n1 \+ n2 = 301, but shots = 300"),
        (HEAD + "0,300,-60,190,170\n", "a.csv:2: n0 = -60 must be a whole number"),
        (HEAD + "0,300,60.5,69.5,170\n", "a.csv:2: n0 = 60.5 must be a whole number"),
        (HEAD + "# nothing\n", "a.csv: holds no settings; give at least one line"),
        ("", "a.csv: holds no data; give a CSV file with the columns"),
        ("theta_rad,shots,n0,n1\n0,300,60,240\n", "a.csv:1: column n2 is missing"),
        ("shots,n0,n1,n2\n300,60,70,170\n", "a.csv:1: column the setting .theta_rad, tau_us, .* is missing"),
        (
            "theta_rd,shots,n0,n1,n2\n0,300,60,70,170\n",
            "a.csv:1: column 'theta_rd' is not known; did you mean 'theta_rad'",
        ),
        (
            "theta_rad,tau_us,shots,n0,n1,n2\n0,0,300,60,70,170\n",
            "a.csv:1: has the settings theta_rad and tau_us; keep",
        ),
        ("theta_rad,shots,n0,n1,n2,n2\n0,300,60,70,170,170\n", "a.csv:1: column 'n2' stands twice"),
        (HEAD + "6.3,300,60,70,170\n", r"a.csv:2: theta = 6.3 must be from 0 to 2 pi rad"),
        (HEAD + "-0.1,300,60,70,170\n", r"a.csv:2: theta = -0.1 must be from 0 to 2 pi rad"),
        (HEAD + "nan,300,60,70,170\n", "a.csv:2: theta_rad = 'nan' is not a finite number"),
        (HEAD + "inf,300,60,70,170\n", "a.csv:2: theta_rad = 'inf' is not a finite number"),
        (HEAD + "0,300,60,70,\n", "a.csv:2: n2 = '' is not a finite number"),
        (HEAD + "0,0,0,0,0\n", "a.csv:2: shots = 0 must be at least 1"),
        ("theta_deg,shots,n0,n1,n2\n", "column 'theta_deg' is not known; did you mean 'theta_rad', in rad?"),
        ("detuning_Hz,shots,n0,n1,n2\n", "column 'detuning_Hz' is not known; did you mean 'detuning_khz', in kHz?"),
        ("theta_rad,shots,n_0,n1,n2\n", "column 'n_0' is not known; did you mean 'n0'?"),
        ("theta_rad,shots,n0,,n1,n2\n", "a.csv:1: column 4 has no name"),
        ("Theta_rad,shots,n0,N0,n2\n", "a.csv:1: column 'n0' stands twice"),
        ("sep=|\n" + HEAD, r"a.csv:1: sep=\| must be a comma, semicolon or tab"),
        ("sep=;\n", "a.csv: holds no data"),
        (HEAD + "0,1e300,1e300,0,0\n", "a.csv:2: n0 = 1e.300 must be a whole number"),
        (HEAD + "0,300,55,71,174,9\n", "a.csv:2: has 6 values, but the header names 5 columns"),
        (HEAD + "0,300,60,70\n", "a.csv:2: has 4 values, but the header names 5 columns"),
        ("tau_us,shots,n0,n1,n2\n-1,300,60,70,170\n", "a.csv:2: tau = -1e-06 must be at least 0"),
        (GROUPS + "0,3,1,1,1,a\n1,3,1,1,1,a\n1,3,1,1,1,b\n", "a.csv:4: group 'b' has a single setting"),
        (GROUPS + "0,3,1,1,1,a\n1,3,1,1,1,\n", "a.csv:3: group is empty"),
    ],
)
def test_wrong_files(text, said, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=said) as refusal:
        read_counts(path)
    assert all("\n" not in problem for problem in refusal.value.problems)


def test_every_problem_is_told_up_to_twenty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(HEAD + "0,300,60,70,171\n" * 30, "utf-8")
    with pytest.raises(InputError) as refusal:
        read_counts(path)
    assert len(refusal.value.problems) == 21 and "10 more" in refusal.value.problems[-1]


def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"theta_rad,shots\xff\xfe\n")
    with pytest.raises(InputError, match=r"a.csv: is not text \(UTF-8\)"):
        read_counts(tmp_path / "a.csv")
    with pytest.raises(InputError, match="does not exist"):
        read_counts(tmp_path / "b.csv")
    with pytest.raises(InputError, match="does not exist or is no file"):
        read_counts(tmp_path)
    (tmp_path / "a.nc").write_bytes(b"theta_rad,shots\n")
    with pytest.raises(InputError, match="a.nc"):
        read_counts(tmp_path / "a.nc")
    with pytest.raises(InputError, match=r"ends in .csv or .nc"):
        save_counts(count_table(COUNTS, theta=SETTINGS["theta"]), tmp_path / "a.txt")


def test_a_damaged_netcdf_file(tmp_path):
    path = save_counts(count_table(COUNTS, theta=SETTINGS["theta"]), tmp_path / "a.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="a.nc"):
        read_counts(path)


def test_too_many_lines(tmp_path):
    """10^6 settings at most, whether from a file or from arrays."""
    path = tmp_path / "a.csv"
    path.write_text(HEAD + "0,3,1,1,1\n" * 1_000_001, "utf-8")
    with pytest.raises(InputError, match="has 1000001 lines, more than 1000000"):
        read_counts(path)
    with pytest.raises(InputError, match="has 1000001 settings"):
        count_table(np.ones((1_000_001, 3), int), theta=np.zeros(1_000_001))


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="exactly one of the arguments `theta`, `tau`"):
        count_table(COUNTS, theta=[0] * 4, tau=[0] * 4)
    with pytest.raises(ArgumentError, match="there are `angle`"):
        count_table(COUNTS, angle=[0] * 4)
    with pytest.raises(ArgumentError, match=r"shapes \(4, 3\) and \(2,\)"):
        count_table(COUNTS, theta=[0, 1])
    with pytest.raises(ArgumentError, match=r"each of the 4 settings, but has shape \(1,\)"):
        count_table(COUNTS, theta=[0, 1, 2, 3], group=["a"])
    with pytest.raises(InputError, match="setting 1: theta is not a finite number"):
        count_table(COUNTS, theta=[0, np.nan, 2, 3])
    with pytest.raises(InputError, match="setting 0: n1 = nan must be a whole number"):
        count_table([[1, np.nan, 1]], theta=[0])
    with pytest.raises(InputError, match="setting 0: has 0 shots"):
        count_table([[0, 0, 0]], theta=[0])
    with pytest.raises(InputError, match="holds no settings"):
        count_table(np.zeros((0, 3)), theta=[])


def test_groups():
    data = count_table(COUNTS, theta=[0, 1, 0, 1], group=["before", "before", "after", "after"])
    assert group_of(data, "after").counts.values.tolist() == COUNTS[2:]
    with pytest.raises(InputError, match="no group 'befor'; did you mean 'before'"):
        group_of(data, "befor")
    with pytest.raises(InputError, match="it has no groups"):
        group_of(count_table(COUNTS, theta=[0, 1, 0, 1]), "after")
    with pytest.raises(InputError, match="holds no count table"):
        group_of(data.drop_attrs(), "after")


@pytest.mark.parametrize(
    "counts, options, said",
    [
        ([["1", "2", "3"]], {"theta": [0]}, "`counts` must be real numbers, but has type <U1"),
        (["a", "b", "c"], {"theta": [0]}, "`counts` must be real numbers"),
        ([[1, 2, 3], [4, 5]], {"theta": [0, 1]}, "`counts` must be an array of numbers, with rows of one length"),
        ([[True, False, True]], {"theta": [0]}, "`counts` must be real numbers, but has type bool"),
        ([[1, 2, None]], {"theta": [0]}, "`counts` must be real numbers, but has type object"),
        (None, {"theta": [0]}, "`counts` must be real numbers"),
        (5, {"theta": [0]}, r"must have shape \(settings, 3\)"),
        ([1, 2, 3], {"theta": [0]}, r"must have shape \(settings, 3\)"),
        ([[1, 2]], {"theta": [0]}, r"must have shape \(settings, 3\)"),
        ([[1, 2, 3]], {"theta": 0.0}, r"shapes \(1, 3\) and \(\)"),
        ([[1, 2, 3]], {"theta": ["a"]}, "`theta` must be real numbers"),
        ([[1, 2, 3]], {"theta": [1j]}, "`theta` must be real numbers, but has type complex128"),
        ([[1, 2, 3]], {"tau": None}, "`tau` must be real numbers"),
        ([[1, 2, 3]], {}, "exactly one of the arguments .* there are none"),
        ([[1, 2, 3]], {"theta": [0], "tau": [0]}, "exactly one of the arguments .* there are `theta`, `tau`"),
        ([[1, 2, 3]], {"theta": [0], "group": "a"}, r"each of the 1 settings, but has shape \(\)"),
        ([[1, 2, 3]], {"theta": [0], "group": 5}, r"each of the 1 settings, but has shape \(\)"),
    ],
)
def test_wrong_kinds(counts, options, said):
    with pytest.raises(ArgumentError, match=said) as refusal:
        count_table(counts, **options)
    assert "\n" not in str(refusal.value)


def test_names_of_groups_stay_on_their_line():
    """Otherwise the file would not say the same as the table."""
    for name in ("", " a", "a\nb", "\ud800"):
        with pytest.raises(InputError, match="setting 0: group .* must be one line of text"):
            count_table(COUNTS, theta=[0, 1, 0, 1], group=[name] * 4)


def test_wrong_paths():
    for function in (read_counts, lambda path: save_counts(count_table(COUNTS, theta=[0, 1, 2, 3]), path)):
        with pytest.raises(ArgumentError, match="`path` must be a path, but is 5"):
            function(5)
    for name in ("a" * 5000 + ".csv", "a\0.csv"):
        with pytest.raises(InputError, match="does not exist or is no file"):
            read_counts(name)


def survives(path: Path):
    """Read what may be no table: a checked one comes out, or sentences."""
    try:
        table = read_counts(path)
    except (ArgumentError, InputError) as refusal:
        assert all(line.isprintable() for line in getattr(refusal, "problems", [str(refusal)]))
    else:
        check_counts(table)


FUZZ = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WHOLE = GROUPS + "0,3,1,1,1,a\n1.5e-1,300,60,70,170,a\n"


@FUZZ
@given(some.binary(max_size=200))
@example(b"\xef\xbb\xbf")
def test_random_bytes(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    survives(tmp_path / "a.csv")


@FUZZ
@given(some.lists(some.tuples(some.integers(0, len(WHOLE)), some.integers(0, 5), some.text(max_size=6)), max_size=4))
@example([(0, 0, '"')])
def test_damaged_text(tmp_path, edits):
    """Valid files with pieces replaced by anything."""
    text = WHOLE
    for at, length, piece in edits:
        text = text[:at] + piece + text[at + length :]
    (tmp_path / "a.csv").write_text(text, "utf-8", "surrogatepass")
    survives(tmp_path / "a.csv")


@FUZZ
@given(
    some.lists(
        some.sampled_from(["sep=;\n", ",", ";", "\t", "\n", "#", '"', "theta_rad", "N1", "group", "-1", "1e", "1e400"])
        | some.sampled_from(["3", "0,5", "nan", "_", "e", "\xb5", "\0", "tau_us", "shots", "n0", "n2"]),
        max_size=30,
    )
)
def test_pieces_of_tables(tmp_path, pieces):
    (tmp_path / "a.csv").write_text("".join(pieces), "utf-8")
    survives(tmp_path / "a.csv")


def test_damaged_netcdf(tmp_path, monkeypatch):
    """300 times 1 to 20 bytes of a netCDF file replaced.

    Without the child process, which starts slowly, and not in the heap of texts, where damage can make HDF5 turn in
    circles; the child is stopped then (below).
    """
    monkeypatch.setattr("darkstate.records.counts.run", in_process)
    whole = save_counts(
        count_table(COUNTS, theta=SETTINGS["theta"], group=list("abba")), tmp_path / "a.nc"
    ).read_bytes()
    heap = whole.index(b"GCOL")
    places = np.delete(np.arange(len(whole)), np.s_[heap : heap + 4096])
    rng = np.random.default_rng(1)
    for _ in range(300):
        content = np.frombuffer(whole, np.uint8).copy()
        count = rng.integers(1, 21)
        content[rng.choice(places, count)] = rng.integers(0, 256, count)
        (tmp_path / "a.nc").write_bytes(content.tobytes())
        survives(tmp_path / "a.nc")


def test_a_damaged_heap_of_texts(tmp_path, monkeypatch):
    """All 0 but its first 16 bytes; the child crashes, turns in circles or says so."""
    monkeypatch.setattr(guard, "TIMEOUT", 4.0)
    path = save_counts(count_table(COUNTS, theta=SETTINGS["theta"], group=list("abba")), tmp_path / "a.nc")
    whole = path.read_bytes()
    heap = whole.index(b"GCOL")
    path.write_bytes(whole[: heap + 16] + bytes(4080) + whole[heap + 4096 :])
    with pytest.raises(InputError, match="a.nc"):
        read_counts(path)


def in_process(task, path, options):
    """`guard.run` without its process."""
    try:
        return sources.TASKS[task](path, options)
    except InputError:
        raise
    except Exception as error:
        raise InputError([f"{path} cannot be read ({guard.one_line(str(error))})"]) from None
