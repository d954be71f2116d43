"""One module for each page of the desk: what it finds, and what its forms do."""
