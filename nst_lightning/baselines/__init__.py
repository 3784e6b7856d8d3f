"""Feed-forward style transfer: what the optimised pictures are compared with.

The names are loaded when they are first used: TensorFlow and onnxruntime are optional and slow, and
a command that only parses its options needs no torch.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from nst_lightning.baselines.base import Baseline
    from nst_lightning.baselines.onnx import OnnxStylizer
    from nst_lightning.baselines.tensorflow_hub import TensorFlowHubStylizer

__all__ = ["Baseline", "OnnxStylizer", "TensorFlowHubStylizer"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["Baseline"],
        "onnx": ["OnnxStylizer"],
        "tensorflow_hub": ["TensorFlowHubStylizer"],
    },
)
