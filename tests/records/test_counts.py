"""Count tables: what is written comes back, and every wrong table is refused in one sentence with file and line."""

import numpy as np
import pytest

from darkstate.errors import ArgumentError, InputError
from darkstate.records.counts import count_table, group_of, read_counts, save_counts

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
    """Whole numbers and groups exactly, settings to one part in 1e14 where a column has another unit."""
    data = count_table(COUNTS, group=group, **{name: SETTINGS[name]})
    back = read_counts(save_counts(data, tmp_path / f"a{ending}"))
    assert back.counts.identical(data.counts.assign_coords({name: back[name]}))
    assert back[name].values == pytest.approx(SETTINGS[name], rel=1e-14, abs=0)
    assert back[name].attrs == data[name].attrs
    if name == "theta" or ending == ".nc":
        assert back.identical(data)
    assert (group is None) == ("group" not in back.coords)


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
    with pytest.raises(ArgumentError, match="each of the 4 settings, but has 1"):
        count_table(COUNTS, theta=[0, 1, 2, 3], group=["a"])
    with pytest.raises(InputError, match="setting 1: theta is not a finite number"):
        count_table(COUNTS, theta=[0, np.nan, 2, 3])
    with pytest.raises(InputError, match="setting 0: n1 = nan must be a whole number"):
        count_table([[1, np.nan, 1]], theta=[0])
    with pytest.raises(InputError, match="setting 0: has 0 shots"):
        count_table([[0, 0, 0]], theta=[0])
    with pytest.raises(InputError, match="whole numbers, but have type"):
        count_table([["1", "2", "3"]], theta=[0])
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
