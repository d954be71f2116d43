"""Adapters for clients and frameworks, one file each; each imports its package only when it is used."""
