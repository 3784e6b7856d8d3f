"""The objective of TensorFlow's tutorial, written in TensorFlow; run as a program.

    python tensorflow_tutorial.py IN.npz OUT.npz

IN holds ``picture``, ``content`` and ``style`` of shape (1, H, W, 3) in [0, 1], and the kernels
``w0`` … and biases ``b0`` … of the 16 convolutions. OUT gets each term's value and gradient. A
process of its own: TensorFlow and torch's triton do not survive one another in every order.
"""

import sys

import numpy as np
import tensorflow as tf

CONTENT_LAYERS = ["block5_conv2"]
STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]
STYLE_WEIGHT, CONTENT_WEIGHT, TV_WEIGHT = 1e-2, 1e5, 30  # content: the report's


def gram_matrix(features):
    result = tf.linalg.einsum("bijc,bijd->bcd", features, features)
    shape = tf.shape(features)
    return result / tf.cast(shape[1] * shape[2], features.dtype)


def main(source, target):
    tf.keras.backend.set_floatx("float64")
    given = np.load(source)
    vgg = tf.keras.applications.VGG19(include_top=False, weights=None)
    convolutions = [layer for layer in vgg.layers if "conv" in layer.name]
    for number, layer in enumerate(convolutions):
        layer.set_weights([given[f"w{number}"], given[f"b{number}"]])
    outputs = [vgg.get_layer(name).output for name in STYLE_LAYERS + CONTENT_LAYERS]
    model = tf.keras.Model([vgg.input], outputs)

    def extract(image):
        found = model(tf.keras.applications.vgg19.preprocess_input(image * 255.0))
        return [gram_matrix(f) for f in found[: len(STYLE_LAYERS)]], found[len(STYLE_LAYERS) :]

    style_targets, _ = extract(tf.constant(given["style"]))
    _, content_targets = extract(tf.constant(given["content"]))
    image = tf.Variable(given["picture"])
    with tf.GradientTape(persistent=True) as tape:
        styles, contents = extract(image)
        style = tf.add_n(
            [tf.reduce_mean((a - b) ** 2) for a, b in zip(styles, style_targets, strict=True)]
        )
        content = tf.add_n(
            [tf.reduce_mean((a - b) ** 2) for a, b in zip(contents, content_targets, strict=True)]
        )
        terms = {
            "style": style * STYLE_WEIGHT / len(STYLE_LAYERS),
            "content": content * CONTENT_WEIGHT / len(CONTENT_LAYERS),
            "tv": TV_WEIGHT * tf.image.total_variation(image)[0],
        }
    results = {name: float(value) for name, value in terms.items()}
    results |= {
        f"{name}_gradient": tape.gradient(value, image).numpy() for name, value in terms.items()
    }
    np.savez(target, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
