"""How good a model is: on a data set of your own, and on clips that it was not trained on."""
