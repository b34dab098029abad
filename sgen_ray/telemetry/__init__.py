"""What is counted, logged and traced. Where nobody set up logs, as in the command line, its lines go nowhere."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())
