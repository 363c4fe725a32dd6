"""What can be set about times and names that people know more of than the data: windows, resets, renames."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from capforecast.settings import Duration, Exclusion, Moment, Section
from capforecast.times import parse_duration, parse_moment


class Window(Exclusion):
    """A time that does not count: samples in it are kept, but neither forecast nor breaches see them."""

    start: Moment = Field(description="when it begins")
    end: Moment = Field(description="when it ends")
    every: Duration | None = Field(default=None, description="after how long it comes again, such as 7d; else never")
    reason: str = Field(default="", description="why, for people")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.to_us <= self.from_us:
            raise ValueError(f"end must be later than start, got {self.start} and {self.end}")
        if self.every and self.every_us < self.to_us - self.from_us:
            raise ValueError(f"every must be no less than the window lasts, got {self.every}")
        return self

    @property
    def from_us(self) -> int:
        """`start` in microseconds since the epoch."""
        return parse_moment(self.start)

    @property
    def to_us(self) -> int:
        """`end` in microseconds since the epoch."""
        return parse_moment(self.end)

    @property
    def every_us(self) -> int:
        """`every` in microseconds, 0 for never."""
        return parse_duration(self.every) if self.every else 0


class ResetEvent(Exclusion):
    """From here on a series is another one: what was before is kept, but not looked back on."""

    at: Moment = Field(description="when")
    reason: str = Field(default="", description="why, for people")

    @property
    def at_us(self) -> int:
        """`at` in microseconds since the epoch."""
        return parse_moment(self.at)


class Rename(Section):
    """A host that got another name: what came under the old one before is the history of the new one."""

    old: str = Field(min_length=1, description="name before, as it is")
    new: str = Field(min_length=1, description="name since then")
    at: Moment = Field(description="when; what comes under the old name later is another host's")

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self.old == self.new:
            raise ValueError(f"old and new must differ, got {self.old!r} twice")
        return self

    @property
    def at_us(self) -> int:
        """`at` in microseconds since the epoch."""
        return parse_moment(self.at)
