"""The ward page: what the state tier knows now, what the warehouse keeps, and what people do, in a browser."""
