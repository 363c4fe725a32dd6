"""One profile for all property tests: the same examples every time, as many as stay quick."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "thorough", settings.get_profile("quick"), derandomize=False, max_examples=500, print_blob=True
)
settings.load_profile("quick")
