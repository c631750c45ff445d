"""Answers made from the request itself, so that no test needs a canned one.

compose  what to answer with: a tool call, JSON, or prose
facts    what stands in the user's words: numbers, names, quotes, dates
fill     an instance of a JSON Schema, from those facts where they fit
pattern  a text that a regular expression matches
choose   which tools to call
prose    sentences about a topic
"""
