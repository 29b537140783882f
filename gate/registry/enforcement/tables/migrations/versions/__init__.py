"""One file per version of the tables; each says which it follows."""
