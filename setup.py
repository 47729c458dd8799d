"""Packaging: ``pip install .`` gives the libraries and the ``kdjax`` command."""

import pathlib
import re

from setuptools import find_namespace_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "kdjax" / "__init__.py").read_text()
)[1]

setup(
    name="kdjax",
    version=VERSION,
    description="Cross-modal knowledge distillation for human action recognition",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_namespace_packages(
        include=["kdjax*", "data_pipelines*", "experiments*"]
    ),
    package_data={"experiments": ["*.jinja"], "data_pipelines": ["*.txt"]},
    entry_points={"console_scripts": ["kdjax = experiments.run:main"]},
    install_requires=[
        "absl-py>=2.1",
        "array_record>=0.8",
        "av>=16",
        "chex>=0.1.90",
        "etils[epath]>=1.12",
        "flax>=0.12",
        "grain>=0.2.18",
        "importlib_resources>=6",
        "jax>=0.10",
        "jaxtyping>=0.3",
        "jinja2>=3.1",
        "matplotlib>=3.10",
        "ml_collections>=1.1",
        "numpy>=2.2",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12",
        "safetensors>=0.5",
        "scipy>=1.15",
        "tensorboardX>=2.6",
        "tensorflow-datasets>=4.9.9",
        "tqdm>=4.67",
    ],
    extras_require={
        "cuda": ["jax[cuda12]>=0.10"],
        "tpu": ["jax[tpu]>=0.10"],
        "people": ["onnxruntime>=1.20"],
        "dev": [
            "beartype>=0.22",
            "hypothesis>=6.130",
            "ipykernel>=7",
            "nbclient>=0.10",
            "nbformat>=5.10",
            "onnx>=1.20",
            "onnxruntime>=1.20",
            "pytest>=9",
            "pytest-xdist>=3.8",
            "ruff>=0.15",
            "scikit-learn>=1.7",
        ],
    },
)
