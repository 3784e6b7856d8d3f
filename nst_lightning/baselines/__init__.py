"""Feed-forward style transfer: what the optimised pictures are compared with.

The names are loaded when they are first used: TensorFlow and onnxruntime are optional and slow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_lightning.baselines.base import FastStylizer
    from nst_lightning.baselines.onnx import OnnxStylizer
    from nst_lightning.baselines.tensorflow_hub import TensorFlowHubStylizer

__all__ = ["FastStylizer", "OnnxStylizer", "TensorFlowHubStylizer"]

_WHERE = {
    "FastStylizer": "base",
    "OnnxStylizer": "onnx",
    "TensorFlowHubStylizer": "tensorflow_hub",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
