"""Agents of the gallery's fleet."""

from collections.abc import Mapping
from typing import Any

from overstory import registry
from overstory.agent import Agent


class Crawler(Agent):
    """Counts pages, and keeps the count over its lives."""

    def init(self, arguments: Mapping[str, Any]) -> None:
        self.site = str(arguments["site"])
        self.pages = self.restore() or 0
        registry.register(self.channel, f"crawler/{self.site}", service="crawl", capabilities=["html"])

    def run(self) -> None:
        while not self.wait_stopping(1.0):
            self.pages += 3
            self.gauges(pages=float(self.pages))
            self.status(f"{self.pages} pages of {self.site}")
            if self.pages % 10 == 0:
                self.checkpoint(self.pages)

    def handle_config(self, arguments: Mapping[str, Any]) -> None:
        self.site = str(arguments["site"])
