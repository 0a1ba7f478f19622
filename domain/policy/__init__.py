"""Key policies: their documents and the decision made from them."""
