"""What of the machine was ours: on a virtual machine its host may take the cores away without any load to show it."""

import time

import psutil  # type: ignore[import-untyped]


class Stolen:
    """Counts the processor time that the host gave to others since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _stolen_seconds()

    @property
    def percent(self) -> float:
        """Of one core."""
        return (_stolen_seconds() - self._before) / max(time.monotonic() - self._began, 0.001) * 100


def _stolen_seconds() -> float:
    return float(getattr(psutil.cpu_times(), "steal", 0.0))  # Linux tells it, others do not
