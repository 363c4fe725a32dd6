"""capforecast: which host runs out of what, when, how sure that is, why, and by when to order."""

__version__ = "0.1.0"
