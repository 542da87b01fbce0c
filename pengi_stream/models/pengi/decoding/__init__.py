"""Contexts -> texts, their confidence, and how likely labels are."""
