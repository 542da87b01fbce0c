"""How good a checkpoint is on held-out clips: the protocol of mini's model card."""
