"""How good a model is on a data set of your own: the protocol of the Pengi paper."""
