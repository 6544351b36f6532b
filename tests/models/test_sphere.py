"""Places as unit vectors."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sphere import unit_sphere


@given(st.floats(-720, 720), st.floats(-90, 90))
@settings(max_examples=50, deadline=None)
def test_the_sphere_has_radius_one_and_no_seam(lon, lat):
    here = unit_sphere(np.array([lon]), np.array([lat]))
    np.testing.assert_allclose(np.linalg.norm(here), 1, rtol=1e-12)
    np.testing.assert_allclose(here, unit_sphere(np.array([lon + 360]), np.array([lat])), atol=1e-12)
