"""The language model, and what it reads: prompts, labels, contexts."""
