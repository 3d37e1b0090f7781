"""Settings, wiring and processes: where everything comes together."""
