"""The GPU as NVIDIA's libraries see it, through ctypes, so that nothing needs to be installed.

device.py sample    prints one JSON object per line: first name and driver, then the utilization, 20 times a second, until it is killed
device.py fill N    allocates all but N bytes of GPU memory, prints how much that was, and keeps it until its input ends
"""

import ctypes
import json
import sys
import time


class Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def main():
    try:
        sample() if sys.argv[1] == "sample" else fill(int(sys.argv[2]))
    except (OSError, RuntimeError) as error:
        show({"problem": str(error)})
        sys.exit(1)


def show(value):
    print(json.dumps(value), flush=True)


def call(function, *arguments):
    status = function(*arguments)
    if status != 0:
        raise RuntimeError(f"{function.__name__} failed with {status}")


def sample():
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    call(nvml.nvmlInit_v2)
    handle = ctypes.c_void_p()
    call(nvml.nvmlDeviceGetHandleByIndex_v2, 0, ctypes.byref(handle))
    texts = [ctypes.create_string_buffer(96) for _ in range(2)]
    call(nvml.nvmlDeviceGetName, handle, texts[0], 96)
    call(nvml.nvmlSystemGetDriverVersion, texts[1], 96)
    show({"name": texts[0].value.decode(), "driver": texts[1].value.decode()})
    use, milliwatts, clock, memory = Utilization(), ctypes.c_uint(), ctypes.c_uint(), Memory()
    while True:
        call(nvml.nvmlDeviceGetUtilizationRates, handle, ctypes.byref(use))
        call(nvml.nvmlDeviceGetMemoryInfo, handle, ctypes.byref(memory))
        # Not every GPU reports these two.
        nvml.nvmlDeviceGetPowerUsage(handle, ctypes.byref(milliwatts))
        nvml.nvmlDeviceGetClockInfo(handle, 1, ctypes.byref(clock))
        show(
            {
                "time": time.time() * 1000,
                "busy": use.gpu / 100,
                "usedBytes": memory.used,
                "watts": milliwatts.value / 1000,
                "megahertz": clock.value,
            }
        )
        time.sleep(0.05)


def fill(leave):
    cuda = ctypes.CDLL("libcuda.so.1")
    context, free, total, pointer = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_uint64()
    call(cuda.cuInit, 0)
    call(cuda.cuDevicePrimaryCtxRetain, ctypes.byref(context), 0)
    call(cuda.cuCtxSetCurrent, context)
    taken, piece = 0, 1 << 30
    while piece >= 1 << 20:
        call(cuda.cuMemGetInfo_v2, ctypes.byref(free), ctypes.byref(total))
        if free.value - leave < piece or cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(piece)) != 0:
            piece //= 2
        else:
            taken += piece
    show({"taken": taken, "free": free.value})
    # Ends also when the process that started it is killed.
    sys.stdin.read()


main()
