"""The errors that people meet, each one line that says what to do.

SgenError                      exit code 2 at the command line, no traceback
├── RequestError               the request cannot be made: prompt, seconds, size, shots
│   └── PictureError           the picture that it comes with cannot be read
├── ModelError                 a model is unknown, corrupt, truncated or does not fit
├── PlanError                  a plan file is corrupt, truncated or made by another model
├── OutputError                the film cannot be written: no permission, no space
├── DatabaseError              the database of jobs cannot be opened, or not from here
├── JobError                   a job is not in a state, or not of a kind, that allows this
│   ├── UnknownJob             there is no such job, or nothing else of that name
│   └── QuotaExceeded          a tenant has as much as it may, or the queue is full
└── EngineError                a planner, renderer or stitcher failed for good; its cause is in the text
Cancelled                      not a mistake: somebody asked to stop
LeaseLost                      not a mistake: this worker was thought dead, and another has its job
"""


class SgenError(ValueError):
    """A person can mend this: the message is one line and says how."""


class RequestError(SgenError):
    """The request cannot be made as written."""


class PictureError(RequestError):
    """A picture is missing, too large, broken or of another format."""


class ModelError(SgenError):
    """A model folder is unknown, corrupt or does not fit."""


class PlanError(SgenError):
    """A plan file is corrupt, truncated or belongs to another model."""


class OutputError(SgenError):
    """The film cannot be written where it was asked for."""


class DatabaseError(SgenError):
    """The database of jobs cannot be opened or used, or not from here."""


class JobError(SgenError):
    """The job does not allow this."""


class UnknownJob(JobError):
    """There is no such job."""


class QuotaExceeded(JobError):
    """No more for now: `code` is a word for programs, `retry_after` when to ask again, in seconds."""

    def __init__(self, message: str, *, code: str, retry_after: int) -> None:
        super().__init__(message)
        self.code, self.retry_after = code, retry_after


class EngineError(SgenError):
    """Work failed for good; the message carries the cause."""


class Cancelled(Exception):
    """Raised inside a step callback to stop the work before its next step."""


class LeaseLost(Exception):
    """The job is another worker's by now, or over: drop it, and write nothing more for it."""
