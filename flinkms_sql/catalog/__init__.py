"""The registry's side of the product: addresses, models, versions, aliases and jobs."""
