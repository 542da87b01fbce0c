"""What is said about sounds: captions, templates, questions, and the examples made of them."""
