"""The same services, as another release."""

from dataclasses import replace

from acceptance.services import services as first_version

services = [replace(service, version="2") for service in first_version]
