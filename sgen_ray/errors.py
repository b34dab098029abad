"""The errors that people meet, each one line that says what to do.

SgenError                      exit code 2 at the command line, no traceback
├── RequestError               the request cannot be made: prompt, seconds, size, shots
├── ModelError                 a model is unknown, corrupt, truncated or does not fit
├── PlanError                  a plan file is corrupt, truncated or made by another model
├── OutputError                the film cannot be written: no permission, no space
└── EngineError                a planner, renderer or stitcher failed for good; its cause is in the text
Cancelled                      not a mistake: somebody asked to stop
"""


class SgenError(ValueError):
    """A person can mend this: the message is one line and says how."""


class RequestError(SgenError):
    """The request cannot be made as written."""


class ModelError(SgenError):
    """A model folder is unknown, corrupt or does not fit."""


class PlanError(SgenError):
    """A plan file is corrupt, truncated or belongs to another model."""


class OutputError(SgenError):
    """The film cannot be written where it was asked for."""


class EngineError(SgenError):
    """Work failed for good; the message carries the cause."""


class Cancelled(Exception):
    """Raised inside a step callback to stop the work before its next step."""
