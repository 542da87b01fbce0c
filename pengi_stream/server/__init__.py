"""`/metrics`, `/livez` and `/readyz` of a running pipeline."""
