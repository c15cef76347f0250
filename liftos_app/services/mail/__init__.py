"""Mail going out: the protocol (wire.py), the queue (delivery.py), alerts (alerts.py)."""

from liftos_app.services.mail.delivery import Standing, deliver, give_up_old, standing
from liftos_app.services.mail.wire import send_test

__all__ = ["Standing", "deliver", "give_up_old", "send_test", "standing"]
