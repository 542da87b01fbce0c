"""How fast pipelines are, and how many feeds they carry."""
