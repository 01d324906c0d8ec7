"""A great many made articles, fast: what the growth of cost is measured on."""
