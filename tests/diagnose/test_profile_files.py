"""The profilers' files, on small ones of the documented columns: literal times in us."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import DATA
from tuner.diagnose import profile_files
from tuner.diagnose.profile_files import Operator

FOLDER = DATA / "profiler"
PARSERS = [
    profile_files.kernels,
    profile_files.steps,
    profile_files.statistic,
    profile_files.host_operators,
]


def text(name: str) -> str:
    return profile_files.read(FOLDER, name)


def test_idling_is_what_no_stream_covers_within_each_step() -> None:
    result = profile_files.kernels(text("kernel_details.csv"))
    assert result is not None
    # A step covers 1000..1060 on two overlapping streams, then 1160..1200: 100 of 200 us. The
    # warm-up has no step and is left out, and so is a row without a duration.
    assert (result.steps, result.count) == (2, 8)
    assert (result.busy_us, result.idle_share) == (200.0, 0.5)


def test_operators_conversions_and_the_ai_cpu_are_shares_of_kernel_time() -> None:
    result = profile_files.kernels(text("kernel_details.csv"))
    assert result is not None
    assert [(o.name, o.count, o.total_us) for o in result.operators] == [
        ("Conv2D", 2, 80.0),
        ("Nonzero", 2, 80.0),
        ("Add", 2, 40.0),
        ("TransData", 2, 20.0),
    ]
    assert result.conversion_share == pytest.approx(20 / 220)
    assert result.ai_cpu_share == pytest.approx(80 / 220)
    assert result.on_ai_cpu == ("Nonzero",)


def test_older_releases_name_the_columns_otherwise() -> None:
    old = "Op Name,OP Type,Task Type,Task Start Time(us),Task Duration(us)\na,Cast,AI_CORE,5,10\n"
    result = profile_files.kernels(old)
    assert result is not None
    assert (result.steps, result.busy_us, result.conversion_share) == (0, 10.0, 1.0)


def test_without_start_times_operators_remain_and_idling_is_unknown() -> None:
    result = profile_files.kernels("Type,Duration(us)\nAdd,3\n")
    assert result is not None
    assert (result.busy_us, result.idle_share) == (None, None)
    assert result.operators == (Operator("Add", 1, 3.0, 1.0),)


def test_free_over_stage_is_the_idle_share_of_all_steps() -> None:
    result = profile_files.steps(text("step_trace_time.csv"))
    assert result is not None
    assert (result.count, result.busy_us, result.idle_share) == (2, 240.0, 0.7)


def test_the_statistic_adds_up_cores_and_leaves_out_what_has_no_time() -> None:
    result = profile_files.statistic(text("op_statistic.csv"))
    assert [(operator.name, operator.count, operator.total_us) for operator in result] == [
        ("Conv2D", 2, 80.0),
        ("Nonzero", 2, 80.0),
        ("Add", 2, 40.0),
    ]


def test_own_time_on_the_host_is_added_up_by_operator() -> None:
    result = profile_files.host_operators(text("operator_details.csv"))
    assert [(operator.name, operator.count, operator.total_us) for operator in result] == [
        ("aten::_convolution", 2, 102.0),
        ("aten::conv2d", 2, 22.0),
    ]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "content", ["", "\ufeff", "\n\n", "Type\n", "Name,Free,Stage\nx,N/A,\n", "a,b\n1\n1,2,3,4\n"]
)
def test_what_is_not_there_is_not_counted(parser: object, content: str) -> None:
    assert callable(parser)
    assert not parser(content)


def test_the_union_of_intervals_counts_an_overlap_once() -> None:
    assert profile_files.union([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4
    assert profile_files.union([]) == 0


def test_the_newest_parsed_output_is_read_and_an_empty_one_is_not(tmp_path: Path) -> None:
    for name in ("a_1_ascend_pt", "b_2_ascend_pt"):
        (tmp_path / name / profile_files.OUTPUT).mkdir(parents=True)
    (tmp_path / "a_1_ascend_pt" / profile_files.OUTPUT / "trace_view.json").touch()
    result = profile_files.output_folder(tmp_path)
    assert result == tmp_path / "a_1_ascend_pt" / profile_files.OUTPUT
    assert profile_files.output_folder(tmp_path / "b_2_ascend_pt") is None
