"""What a search varies and what it looks for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from l1ad.config.section import Section


class Dimension(Section):
    """One field that a search varies: a list of values, or a range of numbers.

    In YAML a list alone stands for `choices`. Whole numbers for `low` and `high` give whole numbers. `text` makes a
    field of a number: ``{low: 3, high: 6, text: "quantized_bits({},0,alpha=1)"}`` varies the bits of a quantizer.
    """

    choices: tuple[Any, ...] = Field((), description="values, in any form that the field takes")
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = Field(None, gt=0, description="distance of the values; null: 1, or any real number")
    log: bool = Field(False, description="equal ratios are equally likely")
    text: str | None = Field(None, description="text of the field, with {} where the number stands")

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        return {"choices": value} if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _check(self) -> Dimension:
        if self.choices and (self.low is not None or self.high is not None):
            raise ValueError("give a list of choices, or low and high")
        if self.choices:
            return self
        if self.low is None or self.high is None:
            raise ValueError("give a list of choices, or low and high")
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and (self.step is not None or self.low <= 0):
            raise ValueError("log needs low above 0 and no step")
        if self.text is not None and self.text.count("{}") != 1:
            raise ValueError(f"text {self.text!r} must hold {{}} once, where the number stands")
        if self.whole and self.step is not None and not isinstance(self.step, int):
            raise ValueError(f"step ({self.step}) of a range of whole numbers must be whole")
        return self

    @property
    def whole(self) -> bool:
        """Whether the range is one of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class SearchConfig(Section):
    """A search for the best score at the least logic.

    Each trial is a training of `epochs` from a float model of `float_epochs` that trials of one shape share. Its
    firmware score of validation background and signals is held against the LUT cost of its logic.
    """

    trials: int = Field(40, gt=0, description="trials in all; a finished search goes on when it grows")
    startup_trials: int = Field(10, gt=0, description="random trials before the sampler learns from them")
    objective: Literal["auc", "tpr"] = Field("auc", description="tpr: at `fpr` of the validation background")
    fpr: float = Field(1e-3, gt=0, lt=1)
    signals: tuple[str, ...] = Field((), description="signals whose mean is the objective; none: all")
    float_epochs: int = Field(10, gt=0, description="epochs of a shared float model")
    epochs: int = Field(6, gt=1, description="quantized epochs of a trial")
    space: dict[str, Dimension] = Field(
        default_factory=dict,
        description="field, such as network.hidden.0 -> what it varies over; none: a default space",
    )
