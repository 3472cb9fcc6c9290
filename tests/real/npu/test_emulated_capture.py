"""The emulated CANN captures as CANN is documented to: its C interface, without torch."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUCCESS, GLOBAL_MODE = 0, 0
DEPENDENCY, UNJOINED, CAPTURED, EVENT_CAPTURED = 107024, 107025, 107027, 107028
NOT_IN_THIS_MODE, DEFAULT_STREAM, INVALIDATED, NOT_SUPPORTED = 107030, 107031, 107039, 207000
TO_HOST, ON_DEVICE = 2, 3


class Runtime:
    """The library, with a stream and eight bytes of device memory twice."""

    def __init__(self, library: Path) -> None:
        self.call = ctypes.CDLL(str(library))
        self.call.aclrtSetDevice(0)
        self.stream, self.other = self.new("aclrtCreateStream"), self.new("aclrtCreateStream")
        self.source, self.target = self.memory("aclrtMalloc"), self.memory("aclrtMalloc")

    def new(self, name: str) -> ctypes.c_void_p:
        made = ctypes.c_void_p()
        assert getattr(self.call, name)(ctypes.byref(made)) == SUCCESS
        return made

    def memory(self, name: str) -> ctypes.c_void_p:
        made = ctypes.c_void_p()
        assert getattr(self.call, name)(ctypes.byref(made), ctypes.c_size_t(8), 0) == SUCCESS
        return made

    def begin(self, stream: ctypes.c_void_p | None = None) -> int:
        return int(self.call.aclmdlRICaptureBegin(stream or self.stream, GLOBAL_MODE))

    def end(self) -> tuple[int, ctypes.c_void_p]:
        graph = ctypes.c_void_p()
        return self.call.aclmdlRICaptureEnd(self.stream, ctypes.byref(graph)), graph

    def copy(self, kind: int = ON_DEVICE, to: Any = None, stream: Any = None) -> int:
        size = ctypes.c_size_t(8)
        stream = self.stream if stream is None else stream
        arguments = to or self.target, size, self.source, size, kind, stream
        return int(self.call.aclrtMemcpyAsync(*arguments))

    def write(self, value: int) -> None:
        ctypes.memset(self.source, value, 8)

    def read(self) -> bytes:
        return ctypes.string_at(self.target, 8)


Load = Callable[[str], Runtime]


@pytest.fixture
def load(cann: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """A library of its own: its parameters are read when it is loaded."""

    def with_parameters(parameters: str) -> Runtime:
        monkeypatch.setenv("EMULATED_CANN", parameters)
        return Runtime(Path(shutil.copy(cann / "libascendcl.so", tmp_path)))

    return with_parameters


@pytest.fixture
def runtime(load: Load) -> Runtime:
    return load("")


def test_what_is_captured_runs_in_each_replay_and_not_before(runtime: Runtime) -> None:
    runtime.write(1)
    assert runtime.begin() == SUCCESS
    assert runtime.copy() == SUCCESS
    assert runtime.read() == bytes(8)
    outcome, graph = runtime.end()
    assert (outcome, runtime.read()) == (SUCCESS, bytes(8))
    for value in (1, 2):
        runtime.write(value)
        assert runtime.call.aclmdlRIExecuteAsync(graph, runtime.stream) == SUCCESS
        assert runtime.read() == bytes([value]) * 8
    runtime.write(3)
    runtime.copy()  # after the capture the stream runs again
    assert runtime.read() == bytes([3]) * 8


def test_what_waits_for_a_captured_stream_is_refused_and_ends_the_capture(runtime: Runtime) -> None:
    status, model = ctypes.c_int(), ctypes.c_void_p()
    event = runtime.new("aclrtCreateEvent")
    refusals: dict[str, tuple[int, list[Any]]] = {
        "aclrtSynchronizeStream": (CAPTURED, [runtime.stream]),
        "aclrtSynchronizeDevice": (CAPTURED, []),
        "aclrtStreamQuery": (CAPTURED, [runtime.stream, ctypes.byref(status)]),
        "aclrtSynchronizeEvent": (EVENT_CAPTURED, [event]),
        "aclrtQueryEventStatus": (EVENT_CAPTURED, [event, ctypes.byref(status)]),
    }
    for name, (error, arguments) in refusals.items():
        assert runtime.begin() == SUCCESS, name
        runtime.call.aclrtRecordEvent(event, runtime.stream)
        assert getattr(runtime.call, name)(*arguments) == error, name
        info = ctypes.byref(status), ctypes.byref(model)
        runtime.call.aclmdlRICaptureGetInfo(runtime.stream, *info)
        assert (status.value, runtime.end()[0]) == (2, INVALIDATED), name
    assert runtime.call.aclrtSynchronizeStream(runtime.stream) == SUCCESS


def test_copies_from_or_to_the_host_are_refused_unless_a_replay_can_make_them(
    runtime: Runtime,
) -> None:
    size = ctypes.c_size_t(8)
    pageable, pinned = ctypes.create_string_buffer(8), runtime.memory("aclrtMallocHost")
    runtime.begin()
    at_once = runtime.target, size, runtime.source, size, ON_DEVICE
    assert runtime.call.aclrtMemcpy(*at_once) == NOT_IN_THIS_MODE
    assert runtime.call.aclrtMemset(runtime.target, size, 0, size) == NOT_IN_THIS_MODE
    assert runtime.copy(TO_HOST, pinned) == SUCCESS
    assert runtime.end()[0] == SUCCESS
    runtime.begin()
    assert runtime.copy(TO_HOST, pageable) == CAPTURED
    assert runtime.end()[0] == INVALIDATED
    assert runtime.call.aclrtMemcpy(*at_once) == SUCCESS


def test_the_default_stream_and_a_stream_that_captures_already_are_refused(
    runtime: Runtime,
) -> None:
    assert runtime.call.aclmdlRICaptureBegin(None, GLOBAL_MODE) == DEFAULT_STREAM
    assert (runtime.begin(), runtime.begin()) == (SUCCESS, CAPTURED)
    assert runtime.end()[0] == SUCCESS


def test_another_stream_joins_by_an_event_and_must_be_waited_for(runtime: Runtime) -> None:
    event, call = runtime.new("aclrtCreateEvent"), runtime.call
    for joined, error in ((True, SUCCESS), (False, UNJOINED)):
        runtime.write(7)
        runtime.begin()
        call.aclrtRecordEvent(event, runtime.stream)
        call.aclrtStreamWaitEvent(runtime.other, event)
        assert runtime.copy(stream=runtime.other) == SUCCESS
        if joined:
            call.aclrtRecordEvent(event, runtime.other)
            call.aclrtStreamWaitEvent(runtime.stream, event)
        assert runtime.end()[0] == error
    assert runtime.read() == bytes(8)


def test_work_from_outside_cannot_be_waited_for(runtime: Runtime) -> None:
    event = runtime.new("aclrtCreateEvent")
    runtime.call.aclrtRecordEvent(event, runtime.other)
    runtime.begin()
    assert runtime.call.aclrtStreamWaitEvent(runtime.stream, event) == DEPENDENCY
    assert runtime.end()[0] == INVALIDATED


def test_a_chip_that_captures_nothing_says_so(load: Load) -> None:
    assert load("soc=Ascend310P3").begin() == NOT_SUPPORTED
