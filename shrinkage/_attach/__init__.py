"""A penalty put onto a built model, in place: any model, any training loop."""
