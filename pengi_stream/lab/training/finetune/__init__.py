"""Teaching a checkpoint the sounds of one site."""
