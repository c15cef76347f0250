"""Publishing: LiftOS' unified tables written into a warehouse, as often as one likes."""

from liftos_app.services.publish.asking import begin, can_publish
from liftos_app.services.publish.job import Published, TableResult, run

__all__ = ["Published", "TableResult", "begin", "can_publish", "run"]
