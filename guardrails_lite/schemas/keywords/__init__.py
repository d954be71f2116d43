"""The keywords of JSON Schema, each as a check of values and the words for what fails it.

`node` has what a compiled schema is; the other modules have the keywords by what they speak of.
"""
