"""Tables as people have them: every dialect reads alike, every mistake has its row and column."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from bpcli.data.sources import OptionError, open_source, table
from bpcli.data.sources.table import Table
from bpcli.errors import DataError
from bpcli.spec.data import SourceOptions

from .support import numbers, read_table, write

WANTED = [[1.5, 2], [-3, 4e2]]

DIALECTS = {
    "plain": "a,b,t\n1.5,2,x\n-3,4e2,y\n",
    "byte order mark": "\ufeffa,b,t\n1.5,2,x\n-3,4e2,y\n",
    "Windows line ends": "a,b,t\r\n1.5,2,x\r\n-3,4e2,y\r\n",
    "old line ends": "a,b,t\r1.5,2,x\r-3,4e2,y\r",
    "no last line end": "a,b,t\n1.5,2,x\n-3,4e2,y",
    "empty lines": "a,b,t\n\n1.5,2,x\n\n-3,4e2,y\n\n",
    "quotes": '"a","b","t"\n"1.5","2","x"\n"-3","4e2","y"\n',
    "semicolon": "a;b;t\n1.5;2;x\n-3;4e2;y\n",
    "tab": "a\tb\tt\n1.5\t2\tx\n-3\t4e2\ty\n",
    "decimal comma": "a;b;t\n1,5;2;x\n-3;4e2;y\n",
    "decimal comma and tab": "a\tb\tt\n1,5\t2,0\tx\n-3,0\t400\ty\n",
    "spaces": "a, b, t\n 1.5, 2, x\n -3, 4e2, y \n",
}


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.CSV"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_reads_alike(tmp_path: Path, dialect: str, name: str) -> None:
    examples = read_table(write(tmp_path / name, DIALECTS[dialect]))
    np.testing.assert_array_equal(numbers(examples), WANTED)
    assert [column.name for column in examples.inputs] == ["a", "b"]
    assert examples.targets.names == ("t",)
    assert [examples.targets.words[code] for code in examples.targets.values] == ["x", "y"]


def test_quotes_hold_delimiters_line_ends_and_quotes(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", 'name,t\n"a, b",1\n"c\nd",2\n"e ""f""",3\n')
    column = read_table(table).inputs[0]
    assert [column.words[code] for code in column.codes] == ["a, b", "c\nd", 'e "f"']


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "1,2,3\n4,5,6\n")
    examples = read_table(table, target=0)
    np.testing.assert_array_equal(numbers(examples), [[2, 3], [5, 6]])
    np.testing.assert_array_equal(examples.targets.values, [1, 4])


def test_the_header_can_be_said(tmp_path: Path) -> None:
    years = write(tmp_path / "t.csv", "2001,2002\n1,2\n3,4\n")
    assert len(read_table(years)) == 3
    assert len(read_table(years, header=True, target="2002")) == 2
    words = write(tmp_path / "w.csv", "red,round\nblue,square\nred,square\n")
    assert len(read_table(words)) == 3  # "red" comes again below, so it is no name
    assert len(read_table(words, header=True)) == 2


def test_features_choose_and_order_the_inputs(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "a,b,c\n1,2,3\n4,5,6\n")
    examples = read_table(table, target="b", features=("c", "a"))
    np.testing.assert_array_equal(numbers(examples), [[3, 1], [6, 4]])


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "NA", "N/A", "null", "?"])
def test_what_says_that_a_cell_is_missing(tmp_path: Path, missing: str) -> None:
    examples = read_table(write(tmp_path / "t.csv", f"a,b,t\n1,x,0\n{missing},{missing},1\n"))
    assert np.isnan(examples.inputs[0].values[1])
    assert examples.inputs[1].codes[1] == -1


MISTAKES = {
    "a short row": ("a,b\n1,2\n3\n", ":3: expected 2 cells as in the first line, received 1"),
    "a long row": ("a,b\n1,2\n3,4,5\n", ":3: expected 2 cells as in the first line, received 3"),
    "a word among numbers": (
        "a,b\n1,2\n2,2\nx,4\n",
        ":4: column 'a' holds numbers, received 'x'; correct the cell",
    ),
    "a thousand of Python's": ("a,b\n1,2\n2,3\n1_000,4\n", ":4: column 'a' holds numbers"),
    "both decimal signs": ("a;b\n1,5;2\n1.5;2\n2,5;2\n", "all with a decimal comma"),
    "an open quote": ('a,b\n1,2\n"3,4\n', "not a row of a table"),
    "a quote in a cell": ('a,b\n"1"x,2\n', ":2: not a row of a table"),
    "two columns of one name": ("a,a\n1,2\n", ":1: columns 1 and 2 are both called 'a'"),
    "a column without a name": ("a,,t\n1,2,3\n", ":1: column 2 has no name"),
    "nothing": ("", "the file is empty"),
    "thousands": ('a,t\n"1,000",x\n"2,000",y\n', "column 'a' holds numbers, received '1,000'"),
    "quoted decimal comma": ('a,t\n"1,5",x\n"2,5",y\n', "write its numbers without commas"),
    "both commas": ("a;t\n1.234,5;x\n2.345,5;y\n", "received '1.234,5'"),
    "only a header": ("a,b\n", "no rows of data"),
    "one column": ("a\n1\n2\n", "no column is left for the inputs"),
    "zero bytes": ("a,b\n1,\x002\n", ":2: not a text file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_named_with_its_row(tmp_path: Path, mistake: str) -> None:
    text, message = MISTAKES[mistake]
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path / "t.csv", text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "t.csv"))


def test_rows_are_counted_as_an_editor_counts_lines(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", 'a,b\n\n"1","2\n"\n3,x\n4,y\n5\n')
    with pytest.raises(DataError, match=r"t\.csv:7: expected 2 cells"):
        read_table(table)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,b\ngrün,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"not UTF-8 text.*save it as UTF-8"):
        read_table(tmp_path / "t.csv")


def test_a_packed_file_that_is_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz", "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(9999)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged or cut short"):
        read_table(path)


def test_a_packed_file_that_unpacks_to_far_too_much(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz", "a,b\n" + ("x" * (1 << 20) + ",2\n") * 80)
    with pytest.raises(DataError, match=r"refused, .* bytes unpack to"):
        read_table(path)


def test_names_that_are_asked_for_tell_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "size,colour\n1,red\n2,colour\n")
    with pytest.raises(OptionError, match="cannot tell whether this line"):
        read_table(path)
    examples = read_table(path, features=("size",), target="colour")
    assert examples.targets.words == ("red", "colour")
    with pytest.raises(OptionError, match="no column 'width'; it has no header and the columns"):
        read_table(path, features=("width",), target="kind")
    with pytest.raises(OptionError, match="cannot tell whether this line"):
        read_table(path, features=("sise",), target="colour")


@pytest.mark.parametrize("row", ["1,2\n", "\n", "1," * 9999 + "2\n"])
def test_nothing_is_parsed_of_a_file_that_unpacks_to_far_too_much(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.csv.gz", "a,b\n" + row * ((4 << 20) // len(row)))
    monkeypatch.setattr(table, "read_lines", pytest.fail)
    with pytest.raises(DataError, match=r"refused, .* bytes unpack to"):
        read_table(path)


def test_a_packed_table_that_repeats_itself_is_read(tmp_path: Path) -> None:
    rows = "0,0,0\n0,1,1\n1,0,1\n1,1,0\n"
    path = write(tmp_path / "t.csv.gz", "a,b,y\n" + rows * 9999)
    assert len(read_table(path)) == 4 * 9999


def test_reading_tens_of_thousands_of_columns_takes_time_in_proportion(tmp_path: Path) -> None:
    columns = 40_000
    header = ",".join(f"gene_{number}" for number in range(columns))
    path = write(tmp_path / "t.csv", f"{header}\n" + ("1," * (columns - 1) + "2\n") * 3)
    began = time.process_time()
    assert len(read_table(path).inputs) == columns - 1
    assert time.process_time() - began < 15.0  # over 60 where each name is looked for among all


@pytest.mark.parametrize(
    ("first", "then"), [("{}.5", "1,234"), ("{},5", "1.234")], ids=["points", "commas"]
)
def test_decimal_points_and_commas_do_not_mix_however_far_apart(
    tmp_path: Path, first: str, then: str
) -> None:
    """Cells are read 4,096 rows at a time."""
    rows = "".join(f"{first.format(n)};1\n" for n in range(4096))
    path = write(tmp_path / "t.csv", f"a;y\n{rows}7;2\n{then};2\n")
    with pytest.raises(
        DataError, match=rf"t\.csv:4099: column 'a' holds numbers, received '{then}'"
    ):
        read_table(path)


def test_an_empty_cell_of_a_single_column_is_missing(tmp_path: Path) -> None:
    """A series that closed its gaps would be another one; a blank line is none."""
    path = write(tmp_path / "t.csv", '  \nv\n1\n""\n\n3\n')
    values = Table(path, target="v", series=True).read().inputs[0].values
    np.testing.assert_array_equal(values, [1, np.nan, 3])


def test_a_table_is_read_again_once_however_many_columns_turn_out_to_be_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, reads, whole = 50, [], Table._rows

    def row(cell: str) -> str:
        return ",".join([cell] * columns) + "\n"

    names = ",".join(f"c{n}" for n in range(columns))
    path = write(tmp_path / "t.csv", f"{names}\n" + row("1") + row("") * 4095 + row("w"))
    monkeypatch.setattr(Table, "_rows", lambda self: reads.append(1) or whole(self))
    assert all(column.words == ("1", "w") for column in read_table(path).inputs)
    assert len(reads) == 2


def test_more_columns_than_a_table_has_are_refused_at_the_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1," * 100_000 + "2\n")
    with pytest.raises(DataError, match=r"a row of 100,001 cells, .* two \.npy files"):
        read_table(path)


def test_a_line_without_end(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1," * (9 << 20))
    with pytest.raises(DataError, match=r"over .* characters"):
        read_table(path)


@pytest.mark.parametrize(
    ("options", "option", "message"),
    [
        ({"target": "spceies"}, "target", "no column 'spceies'; did you mean 'species'?"),
        ({"target": 7}, "target", "no column 7"),
        ({"features": ("a", "a")}, "features", "column 'a' is named twice"),
        ({"features": ("b",), "target": "b"}, "features", "'b' is the target"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path, options: dict, option: str, message: str
) -> None:
    table = write(tmp_path / "t.csv", "a,b,species\n1,2,x\n3,4,y\n")
    with pytest.raises(OptionError) as caught:
        read_table(table, **options)
    assert caught.value.option == option
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x,y,c\n1,2,a\n3,4,c\n", ("x", "y", "c")),  # a class is called like its column
        ("age,kind\n1,adult\n?,child\n3,adult\n", ("age", "kind")),
        ("?,5\n1,2\n3,4\n", ("0", "1")),  # a missing cell is no name
        ("?,low,5\n1,high,2\n3,low,4\n", ("0", "1", "2")),
    ],
)
def test_names_are_told_from_data(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    source = open_source(SourceOptions(path="t.csv"), write(tmp_path / "t.csv", text).parent)
    assert source.names == names


@pytest.mark.parametrize("text", ["1,low\n2,high\n3,mid\n", "fuor,a\n1,a\n2,b\n"])
def test_an_unclear_header_is_asked_for(tmp_path: Path, text: str) -> None:
    table = write(tmp_path / "t.csv", text)
    with pytest.raises(OptionError, match="say `header: true` or `header: false`"):
        read_table(table)


def test_a_column_that_turns_out_to_be_text_is_read_again(tmp_path: Path) -> None:
    rows = [*map(str, range(4096)), *(f"w{n % 3}" for n in range(9000))]
    table = write(tmp_path / "t.csv", "a,t\n" + "".join(f"{row},1\n" for row in rows))
    column = read_table(table).inputs[0]
    assert [column.words[code] for code in column.codes[[0, -1]]] == ["0", "w2"]


def test_only_the_columns_that_are_needed_are_judged(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "a,b,t\n1,2,x\n3,?!,y\n4,5,x\n5,6,y\n")
    examples = read_table(table, features=("a",))
    assert len(examples) == 4


def test_several_targets_must_be_numbers(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "a,b,c\n1,2,x\n3,4,y\n")
    with pytest.raises(OptionError, match="must all hold numbers, 'c' holds text"):
        read_table(table, target=("b", "c"))


def test_header_tells_what_it_can_without_reading_on(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "a,b,t\n" + "1,2,x\n" * 300 + "oops\n")
    header = open_source(SourceOptions(path="t.csv"), tmp_path).header()
    assert header.input_shape == (2,)
    assert (header.targets.shape, header.targets.labels) == ((), True)
    text = write(tmp_path / "w.csv", "a,b,t\nred,2,x\nblue,3,y\n")
    assert open_source(SourceOptions(path=text.name), tmp_path).header().input_shape is None
    assert table.exists()
