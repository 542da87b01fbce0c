"""Talks to brokers: who is there, what may be written, records out, transactions. Imports kafka-python."""
