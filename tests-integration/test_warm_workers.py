"""One warm worker serves step after step: modules stay imported, random numbers are new, and nothing of a step lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import chain, python

if TYPE_CHECKING:
    from harness import Project

pytestmark = pytest.mark.usefixtures("quick_project")


def test_random_numbers_differ_from_step_to_step(project: Project) -> None:
    """Each step draws its own, as processes of their own do, also after one has set a seed."""
    project.write(
        "work.py",
        "import random\n\n\ndef seed():\n    random.seed(1)\n\n\n"
        "def draw():\n    from magnus import get_parameter\n"
        "    return {'drawn': [*get_parameter().get('drawn', []), random.random()]}\n",
    )
    steps = {
        "seed": python("work.seed"),
        "a": python("work.draw"),
        "b": python("work.draw"),
        "again": python("work.seed"),
        "c": python("work.draw"),
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    drawn = project.execute()["parameters"]["drawn"]
    assert len(set(drawn)) == 3
    assert 0.13436424411240122 not in drawn


def test_modules_stay_imported_from_step_to_step(project: Project) -> None:
    """A worker that nothing was done to serves the next step."""
    project.write(
        "work.py",
        """\
        from pathlib import Path

        with Path("imports").open("a") as file:
            print("imported", file=file)


        def work():
            pass
        """,
    )
    project.write("pipeline.yaml", {"dag": chain({name: python("work.work") for name in "abcdef"})})
    project.execute()
    assert project.lines("imports") == ["imported"]


def test_children_that_a_step_leaves_are_named_and_ended_before_the_next_step(project: Project) -> None:
    """In one warning."""
    project.write(
        "work.py",
        """\
        import subprocess


        def leave():
            subprocess.Popen(["sleep", "4321"])


        def look():
            listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
            assert "sleep 4321" not in listing
        """,
    )
    project.write(
        "pipeline.yaml", {"dag": chain({"leave": python("work.leave"), "look": python("work.look")})}
    )
    done = project.magnus("execute", "-f", "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    assert "step 'leave' left processes running, which were ended" in done.stderr
    assert "sleep 4321" in done.stderr


LIBRARY_CODE = {
    "pandas": (
        "import pandas as pd",
        "pd.DataFrame({'a': [1, 2]}).groupby('a').sum().to_csv('table.csv'); pd.read_csv('table.csv')",
    ),
    "parquet": ("import pandas as pd", "pd.DataFrame({'a': [1]}).to_parquet('table.parquet')"),
    "numpy": ("import numpy as np", "np.linalg.inv(np.random.rand(3, 3))"),
    "scikit-learn": (
        "from sklearn.linear_model import LogisticRegression",
        "LogisticRegression().fit([[0.0], [1.0]], [0, 1])",
    ),
    "scipy": ("from scipy import optimize", "optimize.minimize(lambda x: x[0] ** 2, [1.0])"),
    "matplotlib": (
        "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt",
        "plt.plot([1, 2]); plt.savefig('plot.png'); plt.close('all')",
    ),
    "requests": ("import requests", "requests.Session().close()"),
    "boto3": ("import boto3", "boto3.session.Session(region_name='eu-west-1').client('s3')"),
    "sqlalchemy": ("import sqlalchemy", "sqlalchemy.create_engine('sqlite://').connect().close()"),
    "pydantic": (
        "import pydantic",
        "pydantic.create_model('Model', a=(int, 1))(a=2)",
    ),
    "pillow": ("from PIL import Image", "Image.new('RGB', (2, 2)).save('image.png')"),
    "sympy": ("import sympy", "sympy.factor('x**2 - 1')"),
    "networkx": ("import networkx", "networkx.path_graph(3)"),
    "pool": (
        "import multiprocessing",
        "exec('with multiprocessing.Pool(2) as pool: pool.map(abs, [1, 2])')",
    ),
    "process executor": (
        "from concurrent.futures import ProcessPoolExecutor",
        "exec('with ProcessPoolExecutor(2) as pool: list(pool.map(abs, [1, 2]))')",
    ),
    "thread executor": (
        "from concurrent.futures import ThreadPoolExecutor",
        "exec('with ThreadPoolExecutor(2) as pool: list(pool.map(abs, [1, 2]))')",
    ),
    "joblib": (
        "from joblib import Parallel, delayed",
        "Parallel(n_jobs=2, backend='threading')(delayed(abs)(x) for x in (1, 2))",
    ),
    "asyncio": ("import asyncio", "asyncio.run(asyncio.sleep(0))"),
    "subprocess": ("import subprocess", "subprocess.run(['true'], check=True)"),
    "logging": ("import logging", "logging.getLogger('mine').warning('seen')"),
    "tempfile": ("import tempfile", "tempfile.TemporaryDirectory().cleanup()"),
    "object": ("import magnus", "magnus.put_object([1], 'kept')"),
}
"""What to import of a library, and one ordinary use of it."""


@pytest.mark.parametrize("place", ["module", "function"])
@pytest.mark.parametrize("library", LIBRARY_CODE)
def test_an_ordinary_use_of_a_library_keeps_the_worker(project: Project, library: str, place: str) -> None:
    """To import it again for every step would take longer than most steps."""
    imports, use = LIBRARY_CODE[library]
    at_top, inside = (imports, "") if place == "module" else ("", f"    {imports}\n")
    project.write(
        "work.py",
        f"import os\n{at_top}\n\n\ndef work():\n    from magnus import get_parameter\n{inside}    {use}\n"
        "    return {'pids': [*get_parameter().get('pids', []), os.getpid()]}\n",
    )
    steps = {name: python("work.work") for name in ("a", "b", "c", "d")}
    project.write("pipeline.yaml", {"dag": chain(steps)})
    pids = project.execute()["parameters"]["pids"]
    assert len(pids) == 4
    assert len(set(pids)) == 1
